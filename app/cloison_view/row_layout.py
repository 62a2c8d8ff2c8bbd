"""Gives every place a row, and every arrow of a row a slot of its own.

Input: places, edges and bundles. Output: `PlaceRow` with heights in pixels.
Rule: a row is as high as its slots need, so two arrows of one side never overlap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cloison_view.edge_bundling import EdgeBundle
from cloison_view.edges import BORDERS, CATEGORIES, Edge
from cloison_view.labels import OUTSIDE
from cloison_view.topology import Topology

SLOT_HEIGHT: Final = 21
MIN_BOX_HEIGHT: Final = 32
GAP: Final = 11
"""The space between two boxes."""
PADDING: Final = 10
NO_PLACE: Final = ""
"""The row of the arrows between outside and host, which has no box."""


@dataclass(slots=True)
class PlaceRow:
    """The slots of one place, at its left and at its right."""

    left: list[Edge] = field(default_factory=list)
    entries: list[EdgeBundle] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    """Categories of the bundles that start at this place."""
    right: list[Edge] = field(default_factory=list)
    y: float = 0
    height: float = 0

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return self.y + self.height / 2

    @property
    def at_right(self) -> int:
        """The number of slots at the right."""
        return len(self.entries) + len(self.leaving) + len(self.right)

    def left_at(self, edge: Edge) -> float:
        """Return the height of an arrow to or from the outside."""
        return self._at(self.left.index(edge), len(self.left))

    def entry_at(self, edge_bundle: EdgeBundle) -> float:
        """Return the height at which a bundle ends."""
        return self._at(self.entries.index(edge_bundle), self.at_right)

    def leaving_at(self, category: str) -> float:
        """Return the height at which arrows of a category leave for other services."""
        return self._at(len(self.entries) + self.leaving.index(category), self.at_right)

    def right_at(self, edge: Edge) -> float:
        """Return the height of an arrow to or from the host."""
        return self._at(self.at_right - len(self.right) + self.right.index(edge), self.at_right)

    def _at(self, position: int, of: int) -> float:
        return self.middle + (position - (of - 1) / 2) * SLOT_HEIGHT


def rows(topology: Topology, drawn: Iterable[Edge], bundled: Iterable[EdgeBundle], top: float) -> dict[str, PlaceRow]:
    """Return the row of every place, from the top down."""
    found = {place.name: PlaceRow() for place in topology.places}
    for edge in sorted(drawn, key=lambda edge: (CATEGORIES.index(edge.category), edge.source, edge.target)):
        _assign_slot(found, edge)
    for edge_bundle in bundled:
        found[edge_bundle.target].entries.append(edge_bundle)
        for source in () if edge_bundle.is_crowded else edge_bundle.sources:
            if edge_bundle.category not in found[source].leaving:
                found[source].leaving.append(edge_bundle.category)
    for row in found.values():
        row.y, row.height = top, max(MIN_BOX_HEIGHT, SLOT_HEIGHT * max(len(row.left), row.at_right) + PADDING)
        top += row.height + GAP
    return found


def _assign_slot(found: dict[str, PlaceRow], edge: Edge) -> None:
    """Give an arrow to or from a border its slot."""
    ends = {edge.source, edge.target}
    if BORDERS & ends:
        row = found.setdefault(next(iter(ends - BORDERS), NO_PLACE), PlaceRow())
        (row.left if OUTSIDE in ends else row.right).append(edge)
