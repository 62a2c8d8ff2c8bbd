"""Holds the doors of two proofs side by side: what opened, what closed, what else changed.

Rule: only a door that was looked at can open or close; one that was or is unknown has changed, and no more is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cloison_view.connections import OPEN, SHUT, Document, Door, Key, doors

ABSENT: Final = "absent"
"""The proof has no such door."""

OPENED: Final = frozenset({(SHUT, OPEN), (ABSENT, OPEN)})
CLOSED: Final = frozenset({(OPEN, SHUT), (OPEN, ABSENT)})


@dataclass(frozen=True, slots=True)
class Change:
    """One door in two proofs; None where a proof does not have it."""

    old: Door | None
    new: Door | None

    @property
    def door(self) -> Door:
        """The door as it is now, or as it was when it is gone."""
        found = self.new or self.old
        if found is None:
            raise ValueError("a change has a door in one proof at least")
        return found

    @property
    def passage(self) -> tuple[str, str]:
        """What was observed, before and after."""
        return _observed(self.old), _observed(self.new)


@dataclass(frozen=True, slots=True)
class Difference:
    """What two proofs differ in, each sorted by door."""

    opened: tuple[Change, ...] = ()
    closed: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()

    def __iter__(self) -> Iterator[Change]:
        return iter((*self.opened, *self.closed, *self.changed))

    def __len__(self) -> int:
        return len(self.opened) + len(self.closed) + len(self.changed)


def difference(old: Document, new: Document) -> Difference:
    """Return what differs from one proof to a later one."""
    return between(doors(old), doors(new))


def between(old: tuple[Door, ...], new: tuple[Door, ...]) -> Difference:
    """Return what differs from the doors of one proof to those of a later one."""
    before, after = {door.key: door for door in old}, {door.key: door for door in new}
    changes = [Change(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())]
    opened = tuple(change for change in changes if change.passage in OPENED)
    closed = tuple(change for change in changes if change.passage in CLOSED)
    moved: frozenset[Key] = frozenset(change.door.key for change in (*opened, *closed))
    others = tuple(change for change in changes if change.door.key not in moved and _differs(change))
    return Difference(opened, closed, others)


def _observed(door: Door | None) -> str:
    return door.observed if door else ABSENT


def _differs(change: Change) -> bool:
    return not (change.old and change.new) or change.old.state != change.new.state
