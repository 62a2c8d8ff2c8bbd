"""What becomes of the intervals of a connection when a proof comes between two others.

An interval is the time, from proof to proof, in which a connection kept one state. Proofs do not always come in
the order in which they were made: what waited on somebody's disk comes late, between two that are here.

Rule: the intervals are what they would be had all proofs come in order
(tests/ledger/mariadb/archive/test_store.py compares the two).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cloison_view.connections import Key

ConnectionState = tuple[str, str, str, str, bool]
"""Intended, predicted, observed, judgement, drift: `cloison_view.connections.ProofConnection.state`."""
StatesByKey = Mapping[Key, ConnectionState]


class IntervalStep(Enum):
    """What to do with a connection's intervals."""

    END_HERE = auto()
    """The interval that lasts until now ends with the new proof."""
    BEGIN_HERE = auto()
    """An interval begins with the new proof, and lasts."""
    END_EARLIER = auto()
    """The interval that ends with the next proof ends with the new one."""
    BEGIN_EARLIER = auto()
    """The interval that begins with the next proof begins with the new one."""
    INTERRUPT = auto()
    """The interval that lasts through ends with the new proof, and another like it begins with the next."""
    INSERT = auto()
    """An interval begins with the new proof and ends with the next."""


@dataclass(frozen=True, slots=True)
class IntervalChange:
    """One connection's steps, in order."""

    key: Key
    state: ConnectionState | None
    """What the new proof says; None when it does not have the connection."""
    steps: tuple[IntervalStep, ...]


STEPS_AT_END: Final[Mapping[tuple[bool, bool], tuple[IntervalStep, ...]]] = {
    # (was there before, is there now), where nothing follows
    (True, True): (IntervalStep.END_HERE, IntervalStep.BEGIN_HERE),
    (True, False): (IntervalStep.END_HERE,),
    (False, True): (IntervalStep.BEGIN_HERE,),
}


def changes(before: StatesByKey, now: StatesByKey) -> Iterator[IntervalChange]:
    """Yield what a proof changes that comes after all others."""
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key), now.get(key)
        if was != is_:
            yield IntervalChange(key, is_, STEPS_AT_END[was is not None, is_ is not None])


def changes_between(before: StatesByKey, now: StatesByKey, after: StatesByKey) -> Iterator[IntervalChange]:
    """Yield what a proof changes that comes between two others."""
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key), now.get(key)
        if was != is_:
            yield IntervalChange(key, is_, tuple(_between(was, is_, after.get(key))))


def _between(
    was: ConnectionState | None, now: ConnectionState | None, then: ConnectionState | None
) -> Iterator[IntervalStep]:
    if was == then:
        if was is not None:
            yield IntervalStep.INTERRUPT
    elif was is not None:
        yield IntervalStep.END_EARLIER
    if now is not None:
        yield IntervalStep.BEGIN_EARLIER if now == then else IntervalStep.INSERT
