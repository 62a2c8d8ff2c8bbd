"""Shows who reaches whom as a table: rows are sources, columns the ports of targets, a cell the three matrices.

Rule: a cell says of its connection what is intended, predicted and observed, in this order, and the worst word of its
flows. The canaries of TCP and UDP share a column while they say the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from cloison_view.connections import Document, ProofConnection, connections
from cloison_view.labels import ACTIONABLE, HOST, OUTSIDE, SYMBOLS, display_name, port
from cloison_view.markup import Anchors, render_template

MAX_WIDE_COLUMNS: Final = 24
"""With more columns than this a cell keeps its word for itself, but where it needs action."""


@dataclass(frozen=True, slots=True, order=True)
class TableColumn:
    """A port of a place; port 0 is any other port, and of no protocol when TCP and UDP say the same."""

    target: str
    protocol: str
    port: int

    @property
    def label(self) -> str:
        """The port where its place is said already."""
        return port(self.protocol or "tcp", self.port)


@dataclass(frozen=True, slots=True)
class TableCell:
    """What is said of one source and one port."""

    anchor: str
    symbols: str
    judgement: str
    drift: bool

    @property
    def needs_action(self) -> bool:
        """Whether somebody has to act on it."""
        return self.judgement in ACTIONABLE


@dataclass(frozen=True, slots=True)
class TableRow:
    """A source and its cells; None where nobody asked."""

    source: str
    label: str
    cells: tuple[TableCell | None, ...]

    @property
    def needs_action(self) -> bool:
        """Whether one of its cells does."""
        return any(cell and cell.needs_action for cell in self.cells)


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """The whole table."""

    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The targets, each with its number of columns."""
        return [(target, len(list(group))) for target, group in groupby(self.columns, key=lambda item: item.target)]

    @property
    def actionable_columns(self) -> tuple[bool, ...]:
        """Whether a column has a cell that needs action."""
        cells = zip(*(row.cells for row in self.rows), strict=True)
        return tuple(any(cell and cell.needs_action for cell in column) for column in cells)


def build_table(proof: Document, gathered: Iterable[ProofConnection]) -> ConnectionTable:
    """Return the table of a proof."""
    anchors = Anchors(proof)
    held = {connection.key: connection for connection in gathered}
    split = _split_targets(held)
    columns = sorted(
        {_column(connection, split) for connection in held.values()}, key=lambda item: _order(item, anchors)
    )
    sources = [place for place in anchors.places if any(key[0] == place for key in held)]
    cells: dict[tuple[str, TableColumn], list[ProofConnection]] = {}
    for connection in held.values():
        cells.setdefault((connection.source, _column(connection, split)), []).append(connection)
    rows = (
        TableRow(source, display_name(source), tuple(_cell(cells.get((source, column)), anchors) for column in columns))
        for source in sources
    )
    return ConnectionTable(tuple(columns), tuple(rows))


def matrix(proof: Document, gathered: Iterable[ProofConnection] | None = None) -> Markup:
    """Return the table as markup; `gathered` are the proof's connections where the caller has them already."""
    found = build_table(proof, connections(proof) if gathered is None else gathered)
    return render_template(
        "matrix.html",
        found=found,
        actionable_columns=found.actionable_columns,
        target_starts=_target_starts(found),
        dense=len(found.columns) > MAX_WIDE_COLUMNS,
        acted_on=sum(bool(cell and cell.needs_action) for row in found.rows for cell in row.cells),
        drift=any(cell and cell.drift for row in found.rows for cell in row.cells),
    )


def _target_starts(found: ConnectionTable) -> frozenset[int]:
    """Return the columns with which a target begins."""
    starts, at = set(), 0
    for _, width in found.groups:
        starts.add(at)
        at += width
    return frozenset(starts)


def _split_targets(held: Mapping[tuple[str, str, str, int], ProofConnection]) -> frozenset[str]:
    """Return the targets of which the canaries of TCP and UDP do not say the same from everywhere."""
    differing = set()
    for (source, target, protocol, number), connection in held.items():
        counterpart = held.get((source, target, "tcp" if protocol == "udp" else "udp", number))
        if number == 0 and (counterpart is None or counterpart.state != connection.state):
            differing.add(target)
    return frozenset(differing)


def _column(connection: ProofConnection, split: frozenset[str]) -> TableColumn:
    shared = connection.port == 0 and connection.target not in split
    return TableColumn(connection.target, "" if shared else connection.protocol, connection.port)


def _order(column: TableColumn, anchors: Anchors) -> tuple[int, int, bool, int, str]:
    """Return where a column stands: services, the outside, the host; named ports first."""
    last = {OUTSIDE: 1, HOST: 2}.get(column.target, 0)
    return last, anchors.places.index(column.target), column.port == 0, column.port, column.protocol


def _cell(gathered: list[ProofConnection] | None, anchors: Anchors) -> TableCell | None:
    if not gathered:
        return None
    connection = gathered[0]  # where TCP and UDP share a column, they say the same
    symbols = "".join(SYMBOLS[word] for word in (connection.intended, connection.predicted, connection.observed))
    return TableCell(
        anchors.pair(connection.source, connection.target), symbols, connection.judgement, connection.drift
    )
