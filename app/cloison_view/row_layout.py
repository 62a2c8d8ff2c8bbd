"""Gives every place a row, and every arrow of a row a slot of its own.

Rule: a row is as high as its slots need, so two arrows of one side never lie on each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cloison_view.edge_bundling import Trunk
from cloison_view.edges import EDGES, FACES, Way
from cloison_view.labels import OUTSIDE
from cloison_view.topology import Scenery

SLOT: Final = 24
BOX: Final = 36
GAP: Final = 14
"""Between two boxes."""
PADDING: Final = 10
NOBODY: Final = ""
"""The row of what leads from the outside to the host and back, without a box."""


@dataclass(slots=True)
class Row:
    """The slots of one place, at its left and at its right."""

    left: list[Way] = field(default_factory=list)
    entries: list[Trunk] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    """Faces of the trunks to which something of this place leads."""
    right: list[Way] = field(default_factory=list)
    y: float = 0
    height: float = 0

    @property
    def middle(self) -> float:
        """The height of its middle."""
        return self.y + self.height / 2

    @property
    def at_right(self) -> int:
        """How many slots are needed at the right."""
        return len(self.entries) + len(self.leaving) + len(self.right)

    def left_at(self, way: Way) -> float:
        """Return the height of an arrow to or from the outside."""
        return self._at(self.left.index(way), len(self.left))

    def entry_at(self, trunk: Trunk) -> float:
        """Return the height at which a trunk comes in."""
        return self._at(self.entries.index(trunk), self.at_right)

    def leaving_at(self, face: str) -> float:
        """Return the height at which arrows of a face leave for other services."""
        return self._at(len(self.entries) + self.leaving.index(face), self.at_right)

    def right_at(self, way: Way) -> float:
        """Return the height of an arrow to or from the host."""
        return self._at(self.at_right - len(self.right) + self.right.index(way), self.at_right)

    def _at(self, position: int, of: int) -> float:
        return self.middle + (position - (of - 1) / 2) * SLOT


def rows(seen: Scenery, drawn: Iterable[Way], bundled: Iterable[Trunk], top: float) -> dict[str, Row]:
    """Return the row of every place, from the top down."""
    found = {place.name: Row() for place in seen.places}
    for way in sorted(drawn, key=lambda way: (FACES.index(way.face), way.source, way.target)):
        _seat(found, way)
    for trunk in bundled:
        found[trunk.target].entries.append(trunk)
        for source in () if trunk.is_crowded else trunk.sources:
            if trunk.face not in found[source].leaving:
                found[source].leaving.append(trunk.face)
    for row in found.values():
        row.y, row.height = top, max(BOX, SLOT * max(len(row.left), row.at_right) + PADDING)
        top += row.height + GAP
    return found


def _seat(found: dict[str, Row], way: Way) -> None:
    """Give an arrow to or from the edges its slot."""
    inner = {way.source, way.target} - EDGES
    row = found.setdefault(next(iter(inner), NOBODY), Row()) if len(inner) < 2 else None  # noqa: PLR2004  # a way has two ends
    if row is not None:
        (row.left if OUTSIDE in (way.source, way.target) else row.right).append(way)
