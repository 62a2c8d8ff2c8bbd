"""Computes how a new proof changes the intervals of connections.

An interval is the time, from proof to proof, in which a connection had one state. Proofs can arrive out of order: one
that waited in the spool of a client arrives after later ones.

Rule: the result is the same as if all proofs had arrived in order
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
    """A change of one connection's intervals."""

    END_HERE = auto()
    """The interval without an end ends with the new proof."""
    BEGIN_HERE = auto()
    """An interval without an end begins with the new proof."""
    END_EARLIER = auto()
    """The interval that ends with the next proof ends with the new one."""
    BEGIN_EARLIER = auto()
    """The interval that begins with the next proof begins with the new one."""
    INTERRUPT = auto()
    """The interval that spans the new proof ends with it, and one with the same state begins with the next proof."""
    INSERT = auto()
    """An interval begins with the new proof and ends with the next."""


@dataclass(frozen=True, slots=True)
class IntervalChange:
    """The steps for one connection, in order."""

    key: Key
    state: ConnectionState | None
    """The state in the new proof; None when it does not have the connection."""
    steps: tuple[IntervalStep, ...]


STEPS_AT_END: Final[Mapping[tuple[bool, bool], tuple[IntervalStep, ...]]] = {
    # (in the previous proof, in the new proof), without a next proof
    (True, True): (IntervalStep.END_HERE, IntervalStep.BEGIN_HERE),
    (True, False): (IntervalStep.END_HERE,),
    (False, True): (IntervalStep.BEGIN_HERE,),
}


def changes(before: StatesByKey, now: StatesByKey) -> Iterator[IntervalChange]:
    """Yield the changes by a proof that is later than all others."""
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key), now.get(key)
        if was != is_:
            yield IntervalChange(key, is_, STEPS_AT_END[was is not None, is_ is not None])


def changes_between(before: StatesByKey, now: StatesByKey, after: StatesByKey) -> Iterator[IntervalChange]:
    """Yield the changes by a proof between two others."""
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
