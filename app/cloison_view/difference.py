"""Compares the connections of two proofs: which opened, which closed, which changed otherwise.

Input: two proofs, or their connections by protocol. Output: `ProofDifference`.
Rule: only a connection that was observed in both can open or close; one that is unknown in either has changed. A change
is counted once for each protocol, as in the tables of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cloison_view.connections import OPEN, SHUT, Document, Key, ProofConnection, connections

ABSENT: Final = "absent"
"""The proof has no such connection."""

OPENED: Final = frozenset({(SHUT, OPEN), (ABSENT, OPEN)})
CLOSED: Final = frozenset({(OPEN, SHUT), (OPEN, ABSENT)})


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """One connection in two proofs; None where a proof does not have it."""

    old: ProofConnection | None
    new: ProofConnection | None

    @property
    def connection(self) -> ProofConnection:
        """The connection as it is now, or as it was when it is gone."""
        found = self.new or self.old
        if found is None:
            raise ValueError("a change needs a connection in at least one proof")
        return found

    @property
    def transition(self) -> tuple[str, str]:
        """The observed reach, before and after."""
        return _observed(self.old), _observed(self.new)


@dataclass(frozen=True, slots=True)
class ProofDifference:
    """The changes between two proofs, each kind sorted by connection."""

    opened: tuple[ConnectionChange, ...] = ()
    closed: tuple[ConnectionChange, ...] = ()
    changed: tuple[ConnectionChange, ...] = ()

    def __iter__(self) -> Iterator[ConnectionChange]:
        return iter((*self.opened, *self.closed, *self.changed))

    def __len__(self) -> int:
        return len(self.opened) + len(self.closed) + len(self.changed)


def difference(old: Document, new: Document) -> ProofDifference:
    """Return the changes from one proof to a later one."""
    return compare_connections(connections(old), connections(new))


def compare_connections(old: tuple[ProofConnection, ...], new: tuple[ProofConnection, ...]) -> ProofDifference:
    """Return the changes from the connections of one proof to those of a later one."""
    before, after = (
        {connection.key: connection for connection in old},
        {connection.key: connection for connection in new},
    )
    changes = [ConnectionChange(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())]
    opened = tuple(change for change in changes if change.transition in OPENED)
    closed = tuple(change for change in changes if change.transition in CLOSED)
    moved: frozenset[Key] = frozenset(change.connection.key for change in (*opened, *closed))
    others = tuple(change for change in changes if change.connection.key not in moved and _differs(change))
    return ProofDifference(opened, closed, others)


def _observed(connection: ProofConnection | None) -> str:
    return connection.observed if connection else ABSENT


def _differs(change: ConnectionChange) -> bool:
    return not (change.old and change.new) or change.old.state != change.new.state
