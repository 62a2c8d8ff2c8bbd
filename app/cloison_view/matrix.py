"""Renders the connections as a table: rows are sources, columns the ports of targets.

Input: a proof document and its `Summary`. Output: markup.
Rule: a cell has the colour and the shape of its judgement; one that needs action also shows the intended, predicted and
observed reach, in this order, and its judgement in words. A column that the filter hides is hidden with its header, so
no name stands above a column of another place. The number of cells is bounded: of more, those that need action stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup, escape

from cloison_view.connections import OPEN, Document
from cloison_view.labels import ACTIONABLE, SYMBOLS, display_name
from cloison_view.markup import Anchors, render_template
from cloison_view.ports import TargetPort
from cloison_view.summary import Connection, Summary, summarize

MAX_WIDE_COLUMNS: Final = 24
"""In a table of more columns a cell shows its judgement in words only where it needs action."""
MAX_CELLS: Final = 30_000
"""The most cells of a table: about a hundred services; a larger table has only rows and columns that need action."""
MAX_SIDE: Final = 120
"""The most rows and the most columns of a table that is cut."""
KINDS: Final = {"needed": "●", "allowed": "◇", "closed": "·", "tolerated": "◐", "unjudged": "-"}
"""The kinds of a cell that needs no action, and their shapes."""
KIND_WORDS: Final = {"closed": "closed", "unjudged": "not judged"}


@dataclass(frozen=True, slots=True)
class TableCell:
    """The text of one connection."""

    link: str
    symbols: str
    judgement: str
    kind: str
    """Its judgement where it needs action, else one of `KINDS`."""
    scope: str
    drift: bool

    @property
    def needs_action(self) -> bool:
        """Whether its judgement needs action."""
        return self.judgement in ACTIONABLE

    @property
    def mark(self) -> str:
        """The shape of the cell."""
        return self.symbols if self.needs_action else KINDS[self.kind]

    @property
    def words(self) -> str:
        """The judgement in words, with its scope."""
        return " ".join(filter(None, (KIND_WORDS.get(self.kind, self.kind), self.scope)))


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
    """The whole table; `left_out` is the number of cells that it does not show."""

    columns: tuple[TargetPort, ...]
    rows: tuple[TableRow, ...]
    left_out: int = 0

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """The targets, each with its number of columns."""
        return _groups(self.columns)

    @property
    def actionable_groups(self) -> tuple[tuple[str, int], ...]:
        """The targets and the columns that the filter leaves."""
        busy = self.actionable_columns
        return _groups([column for column, is_busy in zip(self.columns, busy, strict=True) if is_busy])

    @property
    def actionable_columns(self) -> tuple[bool, ...]:
        """Whether each column has a cell that needs action."""
        cells = zip(*(row.cells for row in self.rows), strict=True)
        return tuple(any(cell and cell.needs_action for cell in column) for column in cells)


def _groups(columns: Sequence[TargetPort]) -> tuple[tuple[str, int], ...]:
    return tuple((place, len(list(held))) for place, held in groupby(columns, key=lambda column: column.place))


def build_table(proof: Document, summary: Summary, elsewhere: str = "") -> ConnectionTable:
    """Return the table of a proof, cut where it would have too many cells."""
    anchors = Anchors(proof, elsewhere)
    columns, sources, left_out = _sides(summary)
    rows = (
        TableRow(
            source,
            display_name(source),
            tuple(_cell(summary.by_pair.get((source, column)), anchors) for column in columns),
        )
        for source in sources
    )
    return ConnectionTable(columns, tuple(rows), left_out)


def _sides(summary: Summary) -> tuple[tuple[TargetPort, ...], tuple[str, ...], int]:
    """Return the columns and sources that the table shows, and the number of connections that it leaves out."""
    columns = tuple(end for ends in summary.ports.values() for end in ends)
    if len(columns) * len(summary.sources) <= MAX_CELLS:
        return columns, summary.sources, 0
    acted_on = [found for found in summary.connections if found.judgement in ACTIONABLE]
    busy_columns, busy_sources = {found.end for found in acted_on}, {found.source for found in acted_on}
    columns = tuple(column for column in columns if column in busy_columns)[:MAX_SIDE]
    sources = tuple(source for source in summary.sources if source in busy_sources)[:MAX_SIDE]
    shown = sum((source, column) in summary.by_pair for source in sources for column in columns)
    return columns, sources, len(summary.connections) - shown


def matrix(proof: Document, summary: Summary | None = None, elsewhere: str = "") -> Markup:
    """Return the table as markup; the summary is made from the proof where none is given."""
    found = build_table(proof, summary or summarize(proof), elsewhere)
    cells = [cell for row in found.rows for cell in row.cells if cell]
    used = {cell.kind for cell in cells}
    return render_template(
        "matrix.html",
        found=found,
        columns=(columns := list(_headers(found))),
        rows=_rows(found, columns),
        dense=len(found.columns) > MAX_WIDE_COLUMNS,
        acted_on=sum(cell.needs_action for cell in cells),
        drift=any(cell.drift for cell in cells),
        key=[(kind, mark, KIND_WORDS.get(kind, kind)) for kind, mark in KINDS.items() if kind in used],
        needs_action=not used.isdisjoint(ACTIONABLE),
    )


def _rows(found: ConnectionTable, columns: Sequence[tuple[TargetPort, str]]) -> Iterator[tuple[TableRow, Markup]]:
    """Yield each row with the markup of its cells: tens of thousands, for which a template takes a second."""
    known: dict[tuple[str, str, str, bool, str], tuple[str, str]] = {}
    for row in found.rows:
        parts = []
        for cell, (_, place) in zip(row.cells, columns, strict=True):
            if cell is None:
                parts.append(_opening("pv-not-asked", place))
                continue
            key = (cell.kind, cell.symbols, cell.scope, cell.drift, place)
            if key not in known:
                drift = Markup("<b>≠</b>") if cell.drift else ""
                known[key] = (
                    _opening(cell.kind, place) + '<a href="',
                    Markup('">{}{}<i>{}</i></a>').format(cell.mark, drift, cell.words),
                )
            before, after = known[key]
            parts.append(f"{before}{escape(cell.link)}{after}")
        yield row, Markup("".join(parts))  # noqa: S704  # every part is escaped, or made of this module's words


def _opening(*words: str) -> str:
    return f'<td class="{" ".join(filter(None, words))}">'


def _headers(found: ConnectionTable) -> Iterator[tuple[TargetPort, str]]:
    """Yield each column with its classes: whether the filter hides it, and whether a target starts here."""
    before = ""
    for column, is_busy in zip(found.columns, found.actionable_columns or [False] * len(found.columns), strict=True):
        words = ("" if is_busy else "pv-quiet-column", "pv-start" if column.place != before else "")
        before = column.place
        yield column, " ".join(filter(None, words))


def _cell(connection: Connection | None, anchors: Anchors) -> TableCell | None:
    if connection is None:
        return None
    symbols = SYMBOLS[connection.intended] + SYMBOLS[connection.predicted] + SYMBOLS[connection.observed]
    link = anchors.pair_link(connection.source, connection.end.place)
    scope = connection.scope.words.strip()
    return TableCell(link, symbols, connection.judgement, _kind(connection), scope, connection.drift)


def _kind(connection: Connection) -> str:
    if connection.judgement != "holds":
        return connection.judgement
    if connection.observed != OPEN:
        return "closed"
    return "needed" if connection.intended == OPEN else "allowed"
