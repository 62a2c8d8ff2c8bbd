"""Shows who reaches whom as a table: rows are sources, columns the ports of targets, a cell the three matrices.

Rule: a cell says of its door what is intended, predicted and observed, in this order, and the worst word of its
flows. The canaries of TCP and UDP share a column while they say the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from cloison_view.connections import Document, Door, doors
from cloison_view.labels import ATTENTION, HOST, MARKS, OUTSIDE, called, port
from cloison_view.markup import Anchors, rendered

DENSE_BEYOND: Final = 24
"""With more columns than this a cell keeps its word for itself, but where it needs action."""


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """A port of a place; port 0 is any other port, and of no protocol when TCP and UDP say the same."""

    target: str
    protocol: str
    port: int

    @property
    def label(self) -> str:
        """The port where its place is said already."""
        return port(self.protocol or "tcp", self.port)


@dataclass(frozen=True, slots=True)
class Cell:
    """What is said of one source and one port."""

    anchor: str
    marks: str
    judgement: str
    drift: bool

    @property
    def needs_action(self) -> bool:
        """Whether somebody has to act on it."""
        return self.judgement in ATTENTION


@dataclass(frozen=True, slots=True)
class Row:
    """A source and its cells; None where nobody asked."""

    source: str
    label: str
    cells: tuple[Cell | None, ...]

    @property
    def needs_action(self) -> bool:
        """Whether one of its cells does."""
        return any(cell and cell.needs_action for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The whole table."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The targets, each with its number of columns."""
        return [(target, len(list(group))) for target, group in groupby(self.columns, key=lambda item: item.target)]

    @property
    def busy(self) -> tuple[bool, ...]:
        """Whether a column has a cell that needs action."""
        cells = zip(*(row.cells for row in self.rows), strict=True)
        return tuple(any(cell and cell.needs_action for cell in column) for column in cells)


def table(proof: Document, gathered: Iterable[Door]) -> Matrix:
    """Return the table of a proof."""
    anchors = Anchors(proof)
    held = {door.key: door for door in gathered}
    split = _split(held)
    columns = sorted({_column(door, split) for door in held.values()}, key=lambda item: _order(item, anchors))
    sources = [place for place in anchors.places if any(key[0] == place for key in held)]
    cells: dict[tuple[str, Column], list[Door]] = {}
    for door in held.values():
        cells.setdefault((door.source, _column(door, split)), []).append(door)
    rows = (
        Row(source, called(source), tuple(_cell(cells.get((source, column)), anchors) for column in columns))
        for source in sources
    )
    return Matrix(tuple(columns), tuple(rows))


def matrix(proof: Document, gathered: Iterable[Door] | None = None) -> Markup:
    """Return the table as markup; `gathered` are the proof's doors where the caller has them already."""
    found = table(proof, doors(proof) if gathered is None else gathered)
    return rendered(
        "matrix.html",
        found=found,
        busy=found.busy,
        ends=_ends(found),
        dense=len(found.columns) > DENSE_BEYOND,
        acted_on=sum(bool(cell and cell.needs_action) for row in found.rows for cell in row.cells),
        drift=any(cell and cell.drift for row in found.rows for cell in row.cells),
    )


def _ends(found: Matrix) -> frozenset[int]:
    """Return the columns with which a target begins."""
    starts, at = set(), 0
    for _, width in found.groups:
        starts.add(at)
        at += width
    return frozenset(starts)


def _split(held: Mapping[tuple[str, str, str, int], Door]) -> frozenset[str]:
    """Return the targets of which the canaries of TCP and UDP do not say the same from everywhere."""
    differing = set()
    for (source, target, protocol, number), door in held.items():
        twin = held.get((source, target, "tcp" if protocol == "udp" else "udp", number))
        if number == 0 and (twin is None or twin.state != door.state):
            differing.add(target)
    return frozenset(differing)


def _column(door: Door, split: frozenset[str]) -> Column:
    shared = door.port == 0 and door.target not in split
    return Column(door.target, "" if shared else door.protocol, door.port)


def _order(column: Column, anchors: Anchors) -> tuple[int, int, bool, int, str]:
    """Return where a column stands: services, the outside, the host; named ports first."""
    last = {OUTSIDE: 1, HOST: 2}.get(column.target, 0)
    return last, anchors.places.index(column.target), column.port == 0, column.port, column.protocol


def _cell(gathered: list[Door] | None, anchors: Anchors) -> Cell | None:
    if not gathered:
        return None
    door = gathered[0]  # where TCP and UDP share a column, they say the same
    marks = "".join(MARKS[word] for word in (door.intended, door.predicted, door.observed))
    return Cell(anchors.pair(door.source, door.target), marks, door.judgement, door.drift)
