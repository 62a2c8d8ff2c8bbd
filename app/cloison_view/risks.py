"""Groups the security risks of a proof: all containers with the same risk are one entry, the rare risks first.

Input: a proof document, as JSON or as the prober's structs. Output: `Risk`.
Rule: a risk does not change the verdict. A risk of every container says little about any of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from cloison_view.attachments import member, part

FEW: Final = 2
"""A risk of every one of so few containers is shown like any other."""


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk, its containers, and the evidence of the first of them."""

    what: str
    sentence: str
    containers: tuple[str, ...]
    evidence: str
    source: str
    is_everywhere: bool
    """Whether every probed container has it, and they are more than a few."""


def risks(proof: Any) -> list[Risk]:
    """Return the risks of a proof."""
    kinds: dict[tuple[str, str], list[Any]] = {}
    for found in map(part, member(proof, "findings")):
        kinds.setdefault((found.what, found.sentence), []).append(found)
    every = {start.container for start in map(part, member(proof, "vantages")) if start.container}
    return sorted((_risk(items, every) for items in kinds.values()), key=lambda risk: len(risk.containers))


def _risk(items: list[Any], every: Collection[str]) -> Risk:
    first, containers = items[0], tuple(dict.fromkeys(item.where for item in items))
    is_everywhere = len(every) > FEW and set(every).issubset(containers)
    return Risk(first.what, first.sentence, containers, first.evidence, first.source, is_everywhere)
