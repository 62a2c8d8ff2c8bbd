"""Bundles the arrows between services: those of one face that lead to one place share a trunk.

Rule: a trunk runs down beside the boxes in a lane of its own; no two trunks overlap in one lane, and short ones run
nearest to the boxes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloison_view.edges import EDGES, FACES, Way

FOLLOWED: Final = 30
"""So many ways of one face between services can be followed with the eye."""
APART: Final = 6
"""So far two trunks of one lane keep from each other."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """The ways of one face to one place."""

    target: str
    face: str
    ways: tuple[Way, ...]
    is_crowded: bool = False
    """Whether there are too many of its face to be followed: then it is told where it ends, and not drawn."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Where it collects."""
        return tuple(way.source for way in self.ways)


def trunks(drawn: Iterable[Way]) -> list[Trunk]:
    """Return the trunks of the ways between services."""
    gathered: dict[tuple[str, str], list[Way]] = {}
    for way in drawn:
        if not EDGES & {way.source, way.target}:
            gathered.setdefault((way.target, way.face), []).append(way)
    number = Counter(face for (_, face), group in gathered.items() for _ in group)
    keys = sorted(gathered, key=lambda key: (FACES.index(key[1]), key[0]))
    return [Trunk(*key, tuple(gathered[key]), number[key[1]] > FOLLOWED) for key in keys]


def lanes(found: Sequence[Trunk], spans: Mapping[Trunk, tuple[float, float]]) -> dict[Trunk, int]:
    """Return the lane of every trunk, from 0."""
    taken: list[list[tuple[float, float]]] = []
    chosen: dict[Trunk, int] = {}
    for trunk in sorted(found, key=lambda item: (spans[item][1] - spans[item][0], spans[item], item.face)):
        lane = next((number for number, held in enumerate(taken) if _is_free(held, spans[trunk])), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append(spans[trunk])
        chosen[trunk] = lane
    return chosen


def _is_free(held: Sequence[tuple[float, float]], span: tuple[float, float]) -> bool:
    top, bottom = span
    return all(bottom + APART < above or below + APART < top for above, below in held)
