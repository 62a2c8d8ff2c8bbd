"""A report is a function from a proof to a string, or to its parts where it may be large; the proof never knows it.

Rule: a report reads the proof document alone. Adding one is a module and a row of `REPORTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloison.proof.schema import Proof


@dataclass(frozen=True, slots=True)
class Look:
    """How a report for people is shown; the others ignore it."""

    color: bool = False
    width: int = 100
    strict: bool = False


def _terminal(proof: Proof, look: Look) -> str:
    from cloison.reports import terminal  # noqa: PLC0415  # who asks for another report need not load this one

    return terminal.render(proof, color=look.color, width=look.width, strict=look.strict)


def _json(proof: Proof, _look: Look) -> Iterator[str]:
    from cloison.reports import json  # noqa: PLC0415  # same

    return json.parts(proof)


def _html(proof: Proof, _look: Look) -> str:
    from cloison.reports import html  # noqa: PLC0415  # same

    return html.render(proof)


Report = Callable[["Proof", Look], "str | Iterator[str]"]
REPORTS: Final[dict[str, Report]] = {"terminal": _terminal, "json": _json, "html": _html}
