"""Lays out the matrix for a terminal: rows are sources, columns are ports, the ports of one place between two bars.

Input: a `Summary` and a width in columns. Output: lines of text.
Rule: words are never broken. Columns that do not fit beside each other are in bands below each other, which repeat the
sources. In a matrix of several bands, sources that reach nothing in a band share one line, and ports of a place with
the same symbols share one column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cloison.model.flow import ANY_PORT, HOST, OUTSIDE
from cloison.reports.limits import DETAILED, Limits, hidden_places
from cloison.reports.symbols import BLANK, SHUT, Symbol, symbol_of
from cloison.reports.text import paragraph, styled_line
from cloison_view.labels import ACTIONABLE, MAX_NAMED, display_name, intention_words
from cloison_view.ports import TargetPort
from cloison_view.summary import Summary

GAP: Final = "  "
BAR: Final = " │ "
FROM: Final = "from"
TO: Final = "to"
ALL: Final = "all"
MAX_NAME_LENGTH: Final = 24
"""A longer name is cut in its middle."""


@dataclass(frozen=True, slots=True)
class Column:
    """One port, from top to bottom."""

    head: str
    symbols: tuple[Symbol, ...]

    @property
    def width(self) -> int:
        """The widest of its cells."""
        return max(len(self.head), *(len(item.text) for item in self.symbols))


@dataclass(frozen=True, slots=True)
class Block:
    """The columns of one place."""

    name: str
    columns: tuple[Column, ...]

    @property
    def widths(self) -> list[int]:
        """The width of each column; the last one is widened for the name of the place."""
        widths = [column.width for column in self.columns]
        spare = len(self.name) - sum(widths) - len(GAP) * (len(widths) - 1)
        widths[-1] += max(spare, 0)
        return widths

    @property
    def width(self) -> int:
        """The width of all columns and the gaps between them."""
        widths = self.widths
        return sum(widths) + len(GAP) * (len(widths) - 1)


def table_lines(summary: Summary, width: int, limits: Limits = DETAILED) -> list[Text]:
    """Return the matrix as lines of at most `width` columns, unless a name is longer.

    Of many sources and targets, those that need action are shown.
    """
    sources, targets = _chosen(summary, limits)
    names = short_names([*sources, *targets])
    margin = max(len(FROM), *(len(names[source]) for source in sources))
    available_width = width - margin
    blocks = [_block(summary, sources, place, names) for place in targets]
    if len(_filled(blocks, available_width)) > 1:
        blocks = [piece for block in blocks for piece in _split_block(_merge_identical(block), available_width)]
    bands = _bands(blocks, available_width)
    lines: list[Text] = []
    for band in bands[: limits.bands]:
        lines += [Text("")] if lines else []
        lines += _Band(sources, names, margin, tuple(band), summary.records.has_policy).lines(
            width, fold=len(bands) > 1
        )
    shown = {block.name for band in bands[: limits.bands] for block in band}
    hidden = len(summary.ports) - len(shown)
    return [*lines, *hidden_places(len(summary.sources) - len(sources), hidden)]


def _chosen(summary: Summary, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the sources and the targets of the matrix: of many, those with the most connections to act on."""
    acted_on = [found for found in summary.connections if found.judgement in ACTIONABLE]
    return (
        _most_acted_on(summary.sources, Counter(found.source for found in acted_on), limits.rows),
        _most_acted_on(tuple(summary.ports), Counter(found.target for found in acted_on), limits.rows),
    )


def _most_acted_on(places: tuple[str, ...], counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    if len(places) <= most:
        return places
    ranked = sorted(places, key=lambda place: (place not in (HOST, OUTSIDE), -counts.get(place, 0)))
    kept = {*ranked[:most]}
    return tuple(place for place in places if place in kept)


def short_names(places: Sequence[str]) -> dict[str, str]:
    """Return the name of each place in the margin: a long one is cut in its middle, unless two would be the same."""
    full = {place: display_name(place) for place in places}
    cut = {place: _truncate_middle(name) for place, name in full.items()}
    looks = list(cut.values())
    return {place: cut[place] if looks.count(cut[place]) == 1 else full[place] for place in full}


def _truncate_middle(name: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    half = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[: MAX_NAME_LENGTH - 1 - half]}…{name[-half:]}"


def _block(summary: Summary, sources: Sequence[str], place: str, names: Mapping[str, str]) -> Block:
    ends = summary.ports[place]
    columns = [_column(summary, sources, end) for end in ends]
    if place == HOST:
        columns = _merge_host_ports(columns, [end.port != ANY_PORT for end in ends])
    return Block(names[place], tuple(columns))


def _merge_host_ports(columns: Sequence[Column], numbered: Sequence[bool]) -> list[Column]:
    """Return one column for many ports of the host with the same symbols."""
    alike = Counter(column.symbols for column, port in zip(columns, numbered, strict=True) if port)
    found: dict[object, Column] = {}
    for column, port in zip(columns, numbered, strict=True):
        many = port and alike[column.symbols] > MAX_NAMED
        shown = Column(f"{alike[column.symbols]} ports", column.symbols) if many else column
        found.setdefault(shown.symbols if many else shown.head, shown)
    return list(found.values())


def _column(summary: Summary, sources: Sequence[str], end: TargetPort) -> Column:
    return Column(end.port_label, tuple(symbol_of(summary.by_pair.get((source, end))) for source in sources))


def _merge_identical(block: Block) -> Block:
    """Return one column where the ports of a place do not differ."""
    if len(block.columns) > 1 and len({column.symbols for column in block.columns}) == 1:
        return Block(block.name, (Column(ALL, block.columns[0].symbols),))
    return block


def _split_block(block: Block, available_width: int) -> list[Block]:
    """Split a place that has more ports than a line can hold."""
    if block.width + len(BAR) <= available_width or len(block.columns) == 1:
        return [block]
    half = (len(block.columns) + 1) // 2
    parts = (block.columns[:half], block.columns[half:])
    return [piece for part in parts for piece in _split_block(Block(block.name, part), available_width)]


def _bands(blocks: Sequence[Block], available_width: int) -> list[list[Block]]:
    """Spread the blocks evenly over as few bands as possible."""
    fewest = len(_filled(blocks, available_width))
    widest = max((block.width + len(BAR) for block in blocks), default=0)
    limits = range(min(widest, available_width), available_width + 1)
    return next(bands for limit in limits if len(bands := _filled(blocks, limit)) == fewest)


def _filled(blocks: Sequence[Block], available_width: int) -> list[list[Block]]:
    bands: list[list[Block]] = []
    left = -1
    for block in blocks:
        need = block.width + len(BAR)
        if not bands or need > left:
            bands.append([])
            left = available_width
        bands[-1].append(block)
        left -= need
    return bands


@dataclass(frozen=True, slots=True)
class _Band:
    """Blocks beside each other."""

    sources: tuple[str, ...]
    names: Mapping[str, str]
    margin: int
    blocks: tuple[Block, ...]
    has_policy: bool

    def lines(self, width: int, *, fold: bool) -> list[Text]:
        shut_rows = [row for row in range(len(self.sources)) if fold and self._is_all_shut(row)]
        other_rows = [row for row in range(len(self.sources)) if row not in shut_rows]
        return [*self._head(), *(self._row(row) for row in other_rows), *self._shut_summary(shut_rows, width)]

    def _head(self) -> list[Text]:
        heads = [GAP.join(c.head.ljust(w) for c, w in zip(b.columns, b.widths, strict=True)) for b in self.blocks]
        rule = ["─" * (block.width + 2) for block in self.blocks]
        rule[-1] = rule[-1][:-1]
        return [
            self._line(
                (TO.rjust(self.margin), "dim"), [[(block.name.ljust(block.width), "bold")] for block in self.blocks]
            ),
            self._line((FROM, "dim"), [[(head, "bold")] for head in heads]),
            styled_line(("─" * (self.margin + 1) + "┼" + "┼".join(rule), "dim")),
        ]

    def _row(self, row: int) -> Text:
        source = self.sources[row]
        cells = []
        for block in self.blocks:
            symbols = [(column.symbols[row], width) for column, width in zip(block.columns, block.widths, strict=True)]
            padded = [(item.text.ljust(width), item.style) for item, width in symbols]
            cells.append([part for i, cell in enumerate(padded) for part in ([(GAP, ""), cell] if i else [cell])])
        return self._line((self.names[source], "dim" if source == HOST else "bold"), cells)

    def _line(self, label: tuple[str, str], cells: Sequence[Sequence[tuple[str, str]]]) -> Text:
        parts = [(label[0].ljust(self.margin), label[1])]
        for cell in cells:
            parts += [(BAR, "dim"), *cell]
        return styled_line(*parts)

    def _is_all_shut(self, row: int) -> bool:
        symbols = {column.symbols[row] for block in self.blocks for column in block.columns}
        return symbols <= {SHUT, BLANK}

    def _shut_summary(self, rows: Sequence[int], width: int) -> list[Text]:
        if not rows:
            return []
        names = ", ".join(self.names[self.sources[row]] for row in rows)
        mark = f"{SHUT.text}".ljust(self.margin) + BAR
        words = intention_words("closed as intended", has_policy=self.has_policy)
        return paragraph(f"{words} from {names}", width, first=(mark, "dim"), style="dim")
