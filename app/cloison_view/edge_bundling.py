"""Bundles the arrows between services: arrows of one category to one place share a line, the bundle.

Input: edges. Output: bundles, and the lane of each.
Rule: a bundle runs down beside the boxes. No two bundles overlap in one lane; the shortest are nearest to the boxes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloison_view.edges import BORDERS, CATEGORIES, Edge

MAX_FOLLOWABLE: Final = 30
"""The most edges between services that a reader can follow: the worst categories are drawn up to this many."""
MIN_LANE_GAP: Final = 6
"""The distance of two bundles in one lane, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class EdgeBundle:
    """The edges of one category to one place; a bundle is equal to itself alone."""

    target: str
    category: str
    edges: tuple[Edge, ...]
    is_crowded: bool = False
    """Whether its edges are too many to follow: then only its end is drawn, with a label."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of its edges."""
        return tuple(edge.source for edge in self.edges)


def edge_bundles(drawn: Iterable[Edge]) -> list[EdgeBundle]:
    """Return the bundles of the edges between services."""
    gathered: dict[tuple[str, str], list[Edge]] = {}
    for edge in drawn:
        if not BORDERS & {edge.source, edge.target}:
            gathered.setdefault((edge.target, edge.category), []).append(edge)
    crowded = _crowded(Counter(category for (_, category), group in gathered.items() for _ in group))
    keys = sorted(gathered, key=lambda key: (CATEGORIES.index(key[1]), key[0]))
    return [EdgeBundle(*key, tuple(gathered[key]), key[1] in crowded) for key in keys]


def _crowded(number: Mapping[str, int]) -> frozenset[str]:
    """Return the categories whose edges no eye can follow beside those of the worse ones."""
    found, left = set(), MAX_FOLLOWABLE
    for category in filter(number.__contains__, CATEGORIES):
        if number[category] > left:
            found.add(category)
        else:
            left -= number[category]
    return frozenset(found)


def lanes(found: Sequence[EdgeBundle], spans: Mapping[EdgeBundle, tuple[float, float]]) -> dict[EdgeBundle, int]:
    """Return the lane of every bundle, from 0."""
    taken: list[list[tuple[float, float]]] = []
    chosen: dict[EdgeBundle, int] = {}
    for edge_bundle in sorted(found, key=lambda item: (spans[item][1] - spans[item][0], spans[item], item.category)):
        lane = next((number for number, held in enumerate(taken) if _is_free(held, spans[edge_bundle])), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append(spans[edge_bundle])
        chosen[edge_bundle] = lane
    return chosen


def _is_free(held: Sequence[tuple[float, float]], span: tuple[float, float]) -> bool:
    top, bottom = span
    return all(bottom + MIN_LANE_GAP < above or below + MIN_LANE_GAP < top for above, below in held)
