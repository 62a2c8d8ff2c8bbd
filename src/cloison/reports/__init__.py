"""A report is a function from a proof to a string; the proof never knows it.

Rule: a report reads the proof document alone. Adding one is a module and a row of `REPORTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloison.proof import Proof
from cloison.reports import json, terminal


@dataclass(frozen=True, slots=True)
class Look:
    """How a report for people is shown; the others ignore it."""

    color: bool = False
    width: int = 100
    strict: bool = False


REPORTS: Final[dict[str, Callable[[Proof, Look], str]]] = {
    "terminal": lambda proof, look: terminal.render(proof, color=look.color, width=look.width, strict=look.strict),
    "json": lambda proof, _: json.render(proof),
}
