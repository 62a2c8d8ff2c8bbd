"""Chooses which doors of a proof are drawn as arrows, which ones a network's line implies, and which are counted.

Rule: what needs action is always in the picture. Where members of one network have more such ways to each other than
an eye can follow, the network's own line carries the word and their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloison_view.connections import OPEN, UNKNOWN, Document, Door
from cloison_view.labels import ATTENTION, HOST, OUTSIDE
from cloison_view.topology import Scenery

NEEDED: Final = "needed"
ALLOWED: Final = "allowed"
TOLERATED: Final = "tolerated"
FACES: Final = (*ATTENTION, NEEDED, ALLOWED, TOLERATED)
"""What an arrow can say, the most urgent first."""
EDGES: Final = frozenset({HOST, OUTSIDE})
FOLDED_BEYOND: Final = 12
"""So many ways between the members of a network are drawn one by one."""


@dataclass(frozen=True, slots=True)
class Way:
    """The doors from one place to another that have one face."""

    source: str
    target: str
    face: str
    doors: tuple[Door, ...]

    @property
    def drift(self) -> bool:
        """Whether the file predicts one of them otherwise."""
        return any(door.drift for door in self.doors)


@dataclass(frozen=True, slots=True)
class Fold:
    """The ways between members of one network that its line stands for."""

    network: str
    face: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Ways:
    """What is drawn, what the lines stand for, and how many doors of each judgement are neither."""

    drawn: tuple[Way, ...]
    folds: tuple[Fold, ...]
    implied: Counter[str]


def face(door: Door) -> str | None:
    """Return what an arrow says of a door; None for one that is shut as meant, or judged by nobody."""
    if door.judgement in ATTENTION:
        return door.judgement
    if door.observed != OPEN or door.judgement == "unjudged":
        return None
    if door.judgement == TOLERATED:
        return TOLERATED
    return NEEDED if door.intended == OPEN else ALLOWED


def ways(proof: Document, doors: Iterable[Door], seen: Scenery) -> Ways:
    """Return which doors are drawn, and which are not."""
    gathered: dict[tuple[str, str, str], list[Door]] = {}
    implied: Counter[str] = Counter()
    for door in doors:
        said = face(door)
        if said and _is_drawn(door, said, seen, has_policy=proof["policy"] is not None):
            gathered.setdefault((door.source, door.target, said), []).append(door)
        else:
            implied[_counted(door)] += 1
    every = [Way(*key, tuple(group)) for key, group in gathered.items()]
    folds = _folds(proof, every, seen)
    folded = {way for fold in folds for way in fold.ways}
    return Ways(tuple(way for way in every if way not in folded), folds, implied)


def _is_drawn(door: Door, said: str, seen: Scenery, *, has_policy: bool) -> bool:
    if said in ATTENTION:
        return True
    if HOST in (door.source, door.target):
        return said == NEEDED and has_policy
    if OUTSIDE in (door.source, door.target):
        return True
    return (said == NEEDED and has_policy) or not seen.shared(door.source, door.target)


def _counted(door: Door) -> str:
    """Return under which word a door that is not drawn is counted."""
    if door.judgement in (TOLERATED, "unjudged"):
        return door.judgement
    return "open as allowed" if door.observed == OPEN else "shut as meant"


def _folds(proof: Document, every: list[Way], seen: Scenery) -> tuple[Fold, ...]:
    crowds: dict[tuple[str, str], list[Way]] = {}
    for way in every:
        network = _road(proof, way, seen)
        if network:
            crowds.setdefault((network, way.face), []).append(way)
    return tuple(Fold(*key, tuple(crowd)) for key, crowd in sorted(crowds.items()) if len(crowd) > FOLDED_BEYOND)


def _road(proof: Document, way: Way, seen: Scenery) -> str:
    """Return the network on which both ends of a way sit and over which it leads; none for one of the edges'."""
    if EDGES & {way.source, way.target}:
        return ""
    flows = [proof["flows"][position] for door in way.doors for position in door.flows]
    led = {proof["endpoints"][flow["endpoint"]]["network"] for flow in flows if flow["observed"] in (OPEN, UNKNOWN)}
    return min(led & seen.shared(way.source, way.target), default="")
