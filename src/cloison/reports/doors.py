"""Sums flows up into doors: what one place can do at one port of another, whatever the address and the container.

Rule: a door is as bad as its worst flow, in the order of `WORST_FIRST`. What is summed up here is
shared by every report that people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from cloison.compare import Judgement
from cloison.model import ANY_PORT, Protocol
from cloison.outcome import Reach
from cloison.proof import Proof
from cloison.reports.reading import Seen, called, places, seen

WORST_FIRST: Final = (
    Judgement.BREACH,
    Judgement.BROKEN,
    Judgement.UNKNOWN,
    Judgement.TOLERATED,
    Judgement.UNJUDGED,
    Judgement.HOLDS,
)


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """A port of a place; port 0 stands for every port that has no door of its own."""

    place: str
    protocol: str
    port: int
    is_whole: bool = False
    """Whether it is the place's only door: none of its ports is asked by its number."""

    @property
    def suffix(self) -> str:
        """The protocol where it is not the usual one."""
        return "" if self.protocol == Protocol.TCP else f"/{self.protocol}"

    @property
    def short(self) -> str:
        """The door's name where its place is already said."""
        return f"{self.port or ('any' if self.is_whole else 'other')}{self.suffix}"

    @property
    def label(self) -> str:
        """The door's name in a sentence."""
        name = called(self.place)
        if self.port:
            return f"{name}:{self.port}{self.suffix}"
        return f"{name}{self.suffix}" if self.is_whole else f"{name} (other ports{self.suffix})"

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
    return Door(item.target.place, item.target.protocol, item.target.service_port, not item.named)


def cell(flows: Sequence[Seen]) -> Cell:
    """Sum up the flows of one source and one door."""
    word = min((item.flow.judgement for item in flows), key=WORST_FIRST.index)
    worst = [item for item in flows if item.flow.judgement is word]
    return Cell(
        word,
        is_open=any(item.flow.observed is Reach.OPEN for item in worst),
        drift=any(item.flow.drift for item in flows),
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
    return laid_out(seen(proof))


def laid_out(flows: Iterable[Seen]) -> Matrix:
    """Sum flows up."""
    found = passages(flows)
    doors = in_order(end for _, end in found)
    return Matrix(
        sources=tuple(places((source for source, _ in found), host_last=True)),
        groups=tuple(Group(place, tuple(ends)) for place, ends in groupby(doors, key=lambda item: item.place)),
        cells={pair: cell(flows) for pair, flows in found.items()},
    )


def arrows(pairs: Iterable[tuple[str, Door]], found: Matrix) -> list[tuple[str, str]]:
    """Sum passages up as (sources, doors) in words: sources with the same doors share one line."""
    ends: dict[str, list[Door]] = {}
    for source, end in pairs:
        ends.setdefault(source, []).append(end)
    sharing: dict[str, list[str]] = {}
    for source, doors in ends.items():
        sharing.setdefault(_in_words(doors, found), []).append(called(source))
    return [(", ".join(sources), words) for words, sources in sharing.items()]


def _in_words(doors: Sequence[Door], found: Matrix) -> str:
    """Name doors; a place by its name alone is all of its ports, as in the policy language."""
    whole = {group.place: group.doors for group in found.groups}
    parts: list[str] = []
    for place, group in groupby(doors, key=lambda item: item.place):
        ends = list(group)
        parts += [called(place)] if len(ends) == len(whole[place]) else [end.label for end in ends]
    return ", ".join(parts)
