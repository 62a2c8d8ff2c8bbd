"""Lays the matrix out: sources down, doors across, the doors of one place between two bars.

Rule: words stay whole. What does not fit beside each other stands below each other, in bands that
repeat the sources; in a matrix of several bands, sources that reach nothing there share one line, and doors of a place
that are alike for everybody share one column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cloison.model.facts import ANY_PORT, HOST
from cloison.reports.matrix import FEW, Door, Group, Matrix
from cloison.reports.symbols import BLANK, SHUT, Face, face
from cloison.reports.text import paragraph, said
from cloison.reports.topology import called

GAP: Final = "  "
BAR: Final = " │ "
FROM: Final = "from"
TO: Final = "to"
ALL: Final = "all"
LONGEST: Final = 24
"""A longer name is cut in its middle."""


@dataclass(frozen=True, slots=True)
class Column:
    """One door, from top to bottom."""

    head: str
    faces: tuple[Face, ...]

    @property
    def width(self) -> int:
        """The widest of its cells."""
        return max(len(self.head), *(len(item.symbol) for item in self.faces))


@dataclass(frozen=True, slots=True)
class Block:
    """The columns of one place."""

    name: str
    columns: tuple[Column, ...]

    @property
    def widths(self) -> list[int]:
        """The width of each column; the last one makes room for the place's name."""
        widths = [column.width for column in self.columns]
        spare = len(self.name) - sum(widths) - len(GAP) * (len(widths) - 1)
        widths[-1] += max(spare, 0)
        return widths

    @property
    def width(self) -> int:
        """The width of all columns and the gaps between them."""
        widths = self.widths
        return sum(widths) + len(GAP) * (len(widths) - 1)


def grid(matrix: Matrix, width: int) -> list[Text]:
    """Return the matrix as lines of at most `width` columns, wherever its names allow it."""
    names = short_names([*matrix.sources, *(group.place for group in matrix.groups)])
    margin = max(len(FROM), *(len(names[source]) for source in matrix.sources))
    room = width - margin
    blocks = [_block(matrix, group, names) for group in matrix.groups]
    if len(_filled(blocks, room)) > 1:
        blocks = [piece for block in blocks for piece in _pieces(_alike(block), room)]
    bands = _bands(blocks, room)
    lines: list[Text] = []
    for band in bands:
        lines += [Text("")] if lines else []
        lines += _Band(matrix.sources, names, margin, tuple(band)).lines(width, fold=len(bands) > 1)
    return lines


def short_names(places: Sequence[str]) -> dict[str, str]:
    """Return what each place is called in the margin: cut in the middle when long, unless two would look the same."""
    full = {place: called(place) for place in places}
    cut = {place: _cut(name) for place, name in full.items()}
    looks = list(cut.values())
    return {place: cut[place] if looks.count(cut[place]) == 1 else full[place] for place in full}


def _cut(name: str) -> str:
    if len(name) <= LONGEST:
        return name
    half = (LONGEST - 1) // 2
    return f"{name[: LONGEST - 1 - half]}…{name[-half:]}"


def _block(matrix: Matrix, group: Group, names: Mapping[str, str]) -> Block:
    columns = [_column(matrix, door) for door in group.doors]
    if group.place == HOST:
        columns = _counted(columns, [door.port != ANY_PORT for door in group.doors])
    return Block(names[group.place], tuple(columns))


def _counted(columns: Sequence[Column], numbered: Sequence[bool]) -> list[Column]:
    """Draw one column for many ports of the host that are alike for everybody."""
    alike = Counter(column.faces for column, port in zip(columns, numbered, strict=True) if port)
    found: dict[object, Column] = {}
    for column, port in zip(columns, numbered, strict=True):
        many = port and alike[column.faces] > FEW
        shown = Column(f"{alike[column.faces]} ports", column.faces) if many else column
        found.setdefault(shown.faces if many else shown.head, shown)
    return list(found.values())


def _column(matrix: Matrix, door: Door) -> Column:
    return Column(door.short, tuple(face(matrix.cells.get((source, door))) for source in matrix.sources))


def _alike(block: Block) -> Block:
    """Draw one column where the doors of a place do not differ."""
    if len(block.columns) > 1 and len({column.faces for column in block.columns}) == 1:
        return Block(block.name, (Column(ALL, block.columns[0].faces),))
    return block


def _pieces(block: Block, room: int) -> list[Block]:
    """Cut a place that has more doors than a line can hold."""
    if block.width + len(BAR) <= room or len(block.columns) == 1:
        return [block]
    half = (len(block.columns) + 1) // 2
    parts = (block.columns[:half], block.columns[half:])
    return [piece for part in parts for piece in _pieces(Block(block.name, part), room)]


def _bands(blocks: Sequence[Block], room: int) -> list[list[Block]]:
    """Spread the blocks over as few bands as possible, and over these evenly."""
    fewest = len(_filled(blocks, room))
    widest = max((block.width + len(BAR) for block in blocks), default=0)
    limits = range(min(widest, room), room + 1)
    return next(bands for limit in limits if len(bands := _filled(blocks, limit)) == fewest)


def _filled(blocks: Sequence[Block], room: int) -> list[list[Block]]:
    bands: list[list[Block]] = []
    left = -1
    for block in blocks:
        need = block.width + len(BAR)
        if not bands or need > left:
            bands.append([])
            left = room
        bands[-1].append(block)
        left -= need
    return bands


@dataclass(frozen=True, slots=True)
class _Band:
    """Blocks that stand beside each other."""

    sources: tuple[str, ...]
    names: Mapping[str, str]
    margin: int
    blocks: tuple[Block, ...]

    def lines(self, width: int, *, fold: bool) -> list[Text]:
        quiet = [row for row in range(len(self.sources)) if fold and self._is_quiet(row)]
        loud = [row for row in range(len(self.sources)) if row not in quiet]
        return [*self._head(), *(self._row(row) for row in loud), *self._folded(quiet, width)]

    def _head(self) -> list[Text]:
        heads = [GAP.join(c.head.ljust(w) for c, w in zip(b.columns, b.widths, strict=True)) for b in self.blocks]
        rule = ["─" * (block.width + 2) for block in self.blocks]
        rule[-1] = rule[-1][:-1]
        return [
            self._line(
                (TO.rjust(self.margin), "dim"), [[(block.name.ljust(block.width), "bold")] for block in self.blocks]
            ),
            self._line((FROM, "dim"), [[(head, "bold")] for head in heads]),
            said(("─" * (self.margin + 1) + "┼" + "┼".join(rule), "dim")),
        ]

    def _row(self, row: int) -> Text:
        source = self.sources[row]
        cells = []
        for block in self.blocks:
            faces = [(column.faces[row], width) for column, width in zip(block.columns, block.widths, strict=True)]
            padded = [(item.symbol.ljust(width), item.style) for item, width in faces]
            cells.append([part for i, cell in enumerate(padded) for part in ([(GAP, ""), cell] if i else [cell])])
        return self._line((self.names[source], "dim" if source == HOST else "bold"), cells)

    def _line(self, label: tuple[str, str], cells: Sequence[Sequence[tuple[str, str]]]) -> Text:
        parts = [(label[0].ljust(self.margin), label[1])]
        for cell in cells:
            parts += [(BAR, "dim"), *cell]
        return said(*parts)

    def _is_quiet(self, row: int) -> bool:
        faces = {column.faces[row] for block in self.blocks for column in block.columns}
        return faces <= {SHUT, BLANK}

    def _folded(self, rows: Sequence[int], width: int) -> list[Text]:
        if not rows:
            return []
        names = ", ".join(self.names[self.sources[row]] for row in rows)
        mark = f"{SHUT.symbol}".ljust(self.margin) + BAR
        return paragraph(f"shut as meant from {names}", width, first=(mark, "dim"), style="dim")
