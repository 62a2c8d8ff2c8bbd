"""Services of a plan that others stand for, as flows of their own.

Input: two documents. Output: a function from the places of a modelled flow to those of every flow it stands for.
Rule: where both plans have the same classes, the modelled flows are compared; where they differ, every service has its
flows, because a service that is modelled in one plan only would otherwise appear or disappear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import Final

from cloison.errors import UsageError
from cloison.plan.schema import AlikePart, Plan
from cloison.proof.schema import Proof

Pair = tuple[str, str]
Expand = Callable[[str, str], Iterable[Pair]]
MAX_PAIRS: Final = 1_000_000
"""Pairs of services of one class that are compared; they take a gigabyte."""


@dataclass(frozen=True, slots=True)
class _Class:
    """A class: the first modelled service stands for all but the second, which is the target of a flow inside it."""

    first: str
    second: str
    members: tuple[str, ...]

    def of(self, place: str) -> tuple[str, ...]:
        """Return the services for which a modelled one stands."""
        return tuple(name for name in self.members if name != self.second) if place == self.first else (place,)

    def inside(self, source: str, target: str) -> list[Pair]:
        """Return the flows for which one between modelled services stands."""
        if source == target:
            return [(name, name) for name in self.of(source)]
        others = (self.second, self.first)
        if source == self.second:
            return [others]
        return [pair for pair in permutations(self.members, 2) if pair != others]


def expansion(old: Proof | Plan, new: Proof | Plan) -> tuple[Expand, Expand]:
    """Return the expansion of each of two documents.

    Raises UsageError when the classes differ and are too large to compare by service.
    """
    before, after = (_classes(document) for document in (old, new))
    if before == after:
        return _as_it_is, _as_it_is
    for found in (before, after):
        pairs = sum(len(item.members) ** 2 for item in {*found.values()})
        if pairs > MAX_PAIRS:
            raise UsageError(
                f"the plans group their services differently, and {pairs:,} pairs of services that are alike are too "
                "many to compare: plan both with the same services, or compare proofs"
            )
    return _expand(before), _expand(after)


def _classes(document: Proof | Plan) -> dict[str, _Class]:
    parts: Iterable[AlikePart] = getattr(document, "alike", ())
    found = [
        _Class(part.modelled[0], part.modelled[-1], tuple(item.service for item in part.services)) for part in parts
    ]
    return {place: item for item in found for place in (item.first, item.second)}


def _as_it_is(source: str, target: str) -> Iterable[Pair]:
    return ((source, target),)


def _expand(classes: Mapping[str, _Class]) -> Expand:
    def expand(source: str, target: str) -> Iterable[Pair]:
        start, end = classes.get(source), classes.get(target)
        if start and start is end:
            return start.inside(source, target)
        return product(start.of(source) if start else (source,), end.of(target) if end else (target,))

    return expand
