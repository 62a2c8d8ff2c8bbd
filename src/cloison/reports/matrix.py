"""Sums flows up into doors: what one place can do at one port of another, whatever the address and the container.

Rule: both canaries of a place, TCP and UDP, are one door: any other port. A door is as bad as its worst
flow, in the order of `WORST_FIRST`. What is summed up here is shared by every report that people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from cloison.model.facts import ANY_PORT, HOST, Protocol
from cloison.model.outcome import Reach
from cloison.proof.schema import Proof
from cloison.reports.scope import NONE, Limit, limit
from cloison.reports.topology import Scene, Seen, called, places, scene, seen
from cloison.verdict.judge import Judgement

WORST_FIRST: Final = (
    Judgement.BREACH,
    Judgement.BROKEN,
    Judgement.UNKNOWN,
    Judgement.TOLERATED,
    Judgement.UNJUDGED,
    Judgement.HOLDS,
)


LIMITED: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN, Judgement.TOLERATED)
"""The words of which a cell says over what they hold, where that is not everything."""
EVERY: Final = "*"
"""Any other port."""
FEW: Final = 3
"""So many names are named; the rest is counted."""


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """A port of a place; port 0, of no protocol, stands for every port that has no door of its own."""

    place: str
    protocol: str
    port: int
    is_whole: bool = False
    """Whether it is the place's only door: none of its ports is asked by its number."""

    @property
    def suffix(self) -> str:
        """The protocol where it is not the usual one."""
        return "" if self.protocol in ("", Protocol.TCP) else f"/{self.protocol}"

    @property
    def short(self) -> str:
        """The door's name where its place is already said."""
        return f"{self.port or ('any' if self.is_whole else EVERY)}{self.suffix}"

    @property
    def label(self) -> str:
        """The door's name in a sentence."""
        return called(self.place) + ("" if self.is_whole else f":{self.short}")

    @property
    def arrow_head(self) -> str:
        """The door as the policy language says it: without a port it means every port."""
        return f"{self.place}:{self.port}{self.suffix}" if self.port else self.place


@dataclass(frozen=True, slots=True)
class Cell:
    """One source and one door: the worst word of its flows."""

    word: Judgement
    is_open: bool
    """Whether something got through, among the flows that have the worst word."""
    drift: bool
    limit: Limit = NONE
    """Over which protocol or version of IP alone it has that word, where that is not all of them."""


@dataclass(frozen=True, slots=True)
class Group:
    """The doors of one place."""

    place: str
    doors: tuple[Door, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Who reaches whom."""

    sources: tuple[str, ...]
    groups: tuple[Group, ...]
    cells: Mapping[tuple[str, Door], Cell]


def door(item: Seen) -> Door:
    """Return the door at which a flow ends."""
    port = item.target.service_port
    return Door(item.target.place, item.target.protocol if port else "", port, not item.named)


def cell(view: Scene, flows: Sequence[Seen]) -> Cell:
    """Sum up the flows of one source and one door."""
    word = min((item.flow.judgement for item in flows), key=WORST_FIRST.index)
    worst = [item for item in flows if item.flow.judgement is word]
    return Cell(
        word,
        is_open=any(item.flow.observed is Reach.OPEN for item in worst),
        drift=any(item.flow.drift for item in flows),
        limit=limit(view, worst, worst, flows) if word in LIMITED else NONE,
    )


def passages(flows: Iterable[Seen]) -> dict[tuple[str, Door], list[Seen]]:
    """Group flows by source and door, in the order of the matrix."""
    found: dict[tuple[str, Door], list[Seen]] = {}
    for item in flows:
        found.setdefault((item.source.place, door(item)), []).append(item)
    sources = places((source for source, _ in found), host_last=True)
    doors = in_order(end for _, end in found)
    return {pair: found[pair] for pair in sorted(found, key=lambda p: (sources.index(p[0]), doors.index(p[1])))}


def in_order(doors: Iterable[Door]) -> list[Door]:
    """Sort doors for the eye: by place, named ports first, then every other port."""
    wanted = set(doors)
    rank = places((item.place for item in wanted), host_last=False)
    return sorted(wanted, key=lambda item: (rank.index(item.place), item.port == ANY_PORT, item.port, item.protocol))


def matrix(proof: Proof) -> Matrix:
    """Sum a whole proof up."""
    return laid_out(scene(proof), seen(proof))


def laid_out(view: Scene, flows: Iterable[Seen]) -> Matrix:
    """Sum flows up."""
    found = passages(flows)
    doors = in_order(end for _, end in found)
    return Matrix(
        sources=tuple(places((source for source, _ in found), host_last=True)),
        groups=tuple(Group(place, tuple(ends)) for place, ends in groupby(doors, key=lambda item: item.place)),
        cells={pair: cell(view, flows) for pair, flows in found.items()},
    )


Passable = tuple[str, Door, str]
"""A source, a door, and the limit in words."""


def arrows(ends: Iterable[Passable], found: Matrix) -> list[tuple[str, str]]:
    """Sum passages up as (sources, doors) in words: sources with the same doors share one line."""
    doors: dict[str, list[tuple[Door, str]]] = {}
    for source, end, words in ends:
        doors.setdefault(source, []).append((end, words))
    sharing: dict[str, list[str]] = {}
    for source, held in doors.items():
        sharing.setdefault(_in_words(held, found), []).append(called(source))
    return [(", ".join(sources), words) for words, sources in sharing.items()]


def _in_words(doors: Sequence[tuple[Door, str]], found: Matrix) -> str:
    """Name doors; a place by its name alone is all of its ports, as in the policy language."""
    whole = {group.place: group.doors for group in found.groups}
    parts: list[str] = []
    for (place, words), group in groupby(doors, key=lambda item: (item[0].place, item[1])):
        ends = [end for end, _ in group]
        names = [called(place)] if len(ends) == len(whole[place]) else named(ends)
        parts += [name + words for name in names]
    return ", ".join(parts)


def named(doors: Sequence[Door]) -> list[str]:
    """Name doors of one place; many ports of the host are counted, for it is not the file that opens them."""
    ports = [end for end in doors if end.port and end.place == HOST]
    if len(ports) <= FEW:
        return [end.label for end in doors]
    counted = f"{HOST}: {len(ports)} ports ({listed(end.short for end in ports)})"
    return [counted, *(end.label for end in doors if end not in ports)]


def listed(names: Iterable[str], few: int = FEW) -> str:
    """Name a few and count the rest; one more than a few is named too, for counting it is not shorter."""
    items = list(names)
    if len(items) <= few + 1:
        return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)
    return f"{', '.join(items[:few])} and {len(items) - few} more"
