"""What becomes of the spells of a door when a proof comes between two others.

A spell is the time, from proof to proof, through which a door kept one state. Proofs do not always come in the order
in which they were made: what waited on somebody's disk comes late, between two that are here.

Rule: the spells are what they would be had all proofs come in order (test_spells.py compares the two).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cloison_view.connections import Key

State = tuple[str, str, str, str, bool]
"""Intended, predicted, observed, judgement, drift: `cloison_view.doors.Door.state`."""
States = Mapping[Key, State]


class Step(Enum):
    """What to do with a door's spells."""

    END_HERE = auto()
    """The spell that lasts until now ends with the new proof."""
    BEGIN_HERE = auto()
    """A spell begins with the new proof, and lasts."""
    END_EARLIER = auto()
    """The spell that ends with the next proof ends with the new one."""
    BEGIN_EARLIER = auto()
    """The spell that begins with the next proof begins with the new one."""
    INTERRUPT = auto()
    """The spell that lasts through ends with the new proof, and another like it begins with the next."""
    INSERT = auto()
    """A spell begins with the new proof and ends with the next."""


@dataclass(frozen=True, slots=True)
class Change:
    """One door's steps, in order."""

    key: Key
    state: State | None
    """What the new proof says; None when it does not have the door."""
    steps: tuple[Step, ...]


LAST: Final[Mapping[tuple[bool, bool], tuple[Step, ...]]] = {
    # (was there before, is there now), where nothing follows
    (True, True): (Step.END_HERE, Step.BEGIN_HERE),
    (True, False): (Step.END_HERE,),
    (False, True): (Step.BEGIN_HERE,),
}


def changes(before: States, now: States) -> Iterator[Change]:
    """Yield what a proof changes that comes after all others."""
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key), now.get(key)
        if was != is_:
            yield Change(key, is_, LAST[was is not None, is_ is not None])


def changes_between(before: States, now: States, after: States) -> Iterator[Change]:
    """Yield what a proof changes that comes between two others."""
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key), now.get(key)
        if was != is_:
            yield Change(key, is_, tuple(_between(was, is_, after.get(key))))


def _between(was: State | None, now: State | None, then: State | None) -> Iterator[Step]:
    if was == then:
        if was is not None:
            yield Step.INTERRUPT
    elif was is not None:
        yield Step.END_EARLIER
    if now is not None:
        yield Step.BEGIN_EARLIER if now == then else Step.INSERT
