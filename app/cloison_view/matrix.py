"""Renders the connections as a table: rows are sources, columns the ports of targets.

Input: a proof document and its `Summary`. Output: markup.
Rule: a cell shows of its connection the intended, predicted and observed reach, in this order, its judgement, and the
scope of the judgement where it does not hold for every protocol and version of IP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cloison_view.connections import Document
from cloison_view.labels import ACTIONABLE, SYMBOLS, display_name
from cloison_view.markup import Anchors, render_template
from cloison_view.ports import TargetPort
from cloison_view.summary import Connection, Summary, summarize

MAX_WIDE_COLUMNS: Final = 24
"""In a table of more columns a cell shows its judgement only where it needs action."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """The text of one connection."""

    anchor: str
    symbols: str
    judgement: str
    scope: str
    drift: bool

    @property
    def needs_action(self) -> bool:
        """Whether its judgement needs action."""
        return self.judgement in ACTIONABLE


@dataclass(frozen=True, slots=True)
class TableRow:
    """A source and its cells; None where no flow was probed."""

    source: str
    label: str
    cells: tuple[TableCell | None, ...]

    @property
    def needs_action(self) -> bool:
        """Whether one of its cells needs action."""
        return any(cell and cell.needs_action for cell in self.cells)


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """The whole table; `groups` are the targets, each with its number of columns."""

    columns: tuple[TargetPort, ...]
    groups: tuple[tuple[str, int], ...]
    rows: tuple[TableRow, ...]

    @property
    def actionable_columns(self) -> tuple[bool, ...]:
        """Whether each column has a cell that needs action."""
        cells = zip(*(row.cells for row in self.rows), strict=True)
        return tuple(any(cell and cell.needs_action for cell in column) for column in cells)


def build_table(proof: Document, summary: Summary) -> ConnectionTable:
    """Return the table of a proof."""
    anchors = Anchors(proof)
    columns = tuple(end for ends in summary.ports.values() for end in ends)
    rows = (
        TableRow(
            source,
            display_name(source),
            tuple(_cell(summary.by_pair.get((source, column)), anchors) for column in columns),
        )
        for source in summary.sources
    )
    groups = tuple((target, len(ends)) for target, ends in summary.ports.items())
    return ConnectionTable(columns, groups, tuple(rows))


def matrix(proof: Document, summary: Summary | None = None) -> Markup:
    """Return the table as markup; the summary is made from the proof where none is given."""
    found = build_table(proof, summary or summarize(proof))
    cells = [cell for row in found.rows for cell in row.cells if cell]
    return render_template(
        "matrix.html",
        found=found,
        actionable_columns=found.actionable_columns,
        target_starts=_target_starts(found),
        dense=len(found.columns) > MAX_WIDE_COLUMNS,
        acted_on=sum(cell.needs_action for cell in cells),
        drift=any(cell.drift for cell in cells),
    )


def _target_starts(found: ConnectionTable) -> frozenset[int]:
    """Return the first column of each target."""
    starts, at = set(), 0
    for _, width in found.groups:
        starts.add(at)
        at += width
    return frozenset(starts)


def _cell(connection: Connection | None, anchors: Anchors) -> TableCell | None:
    if connection is None:
        return None
    symbols = "".join(SYMBOLS[word] for word in (connection.intended, connection.predicted, connection.observed))
    anchor = anchors.pair(connection.source, connection.target)
    return TableCell(anchor, symbols, connection.judgement, connection.scope.words.strip(), connection.drift)
