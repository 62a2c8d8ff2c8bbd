"""Keeps room in the kernel's tables of neighbours, which all namespaces of the machine share.

Every pair that talks over a link has an entry at both ends. The tables hold 1024 entries each by default, and the
kernel makes room only by dropping those that nobody has touched for five seconds (neigh_forced_gc in
net/core/neighbour.c): a hundred containers have more pairs than that, and while the tables are full
the services cannot meet anybody either.

Rule: only what came since the prober looked first is taken out, of that only what is resolved, and only where the
tables begin to fill. Whoever wants it again asks once more. What somebody wrote there for good is never touched, and
nothing is ever written, so a killed prober leaves what any traffic leaves.

A packet that is just leaving over an entry as it is taken out may be lost, and nobody counts it (__neigh_event_send
drops what finds its neighbour dead). So whoever waits for silence takes nothing out meanwhile.

Layouts: linux/neighbour.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self

from cloison.linux import netlink, netns

NEIGHBOUR: Final = struct.Struct("=B3xiHBB")
"""Family, interface, state, flags, type."""
TABLE: Final = struct.Struct("=B3x")
NEW, DELETE, GET, GET_TABLES = 28, 29, 30, 66
DESTINATION: Final = 1
CEILING, CONFIGURATION, STATISTICS = 4, 5, 7
"""NDTA_THRESH3, NDTA_CONFIG and NDTA_STATS."""
ENTRIES_AT, FULL_AT = 4, 80
"""Where `ndt_config` has the number of entries, and `ndt_stats` how often there was no room for another."""
RESOLVED: Final = 0x02 | 0x04 | 0x08 | 0x10
"""NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE."""
NO_QUESTION: Final = 0x40
"""NUD_NOARP: what needs no resolution, such as the groups in which IPv6 asks."""
WRITTEN: Final = 0x10 | 0x40
"""NTF_EXT_LEARNED and NTF_STICKY: somebody put it there."""
GROUP: Final = 0xFF
"""The first byte of an IPv6 multicast address (RFC 4291 section 2.7)."""
SHARE: Final = 2
"""One in so many free entries of a table is the prober's to use; the others are left to the services."""


class Space(Protocol):
    """Something that stands in a network namespace."""

    @property
    def descriptor(self) -> int:
        """The namespace, opened."""


class Entry(NamedTuple):
    """A neighbour: the family of its address, the interface, and the address."""

    family: int
    link: int
    address: bytes


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a table is, and how often it had no room for another entry, ever."""

    entries: int
    ceiling: int
    refusals: int


class Neighbours:
    """What the tables of some namespaces held before the prober came, so that it can leave them like that."""

    def __init__(self, spaces: Collection[Space]) -> None:
        self._spaces = spaces
        self._stack = ExitStack()
        self._before: Mapping[int, frozenset[Entry]] = {}
        self._asked: socket.socket | None = None
        self._has_forgotten = False
        self._floor: Sequence[int] = ()
        """How many entries of each table are there without what was brought."""

    def __enter__(self) -> Self:
        self._before = {space.descriptor: frozenset(_found(space.descriptor)) for space in self._spaces}
        for space in [*self._spaces][-1:]:  # one with few links: the kernel tells of each
            with netns.inside(space.descriptor):
                self._asked = self._stack.enter_context(netlink.line())
        self._floor = [table.entries for table in self.fill()]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def are_filling(self) -> bool:
        """Whether what came since begins to fill the tables."""
        filled = zip(self.fill(), self._floor, strict=True)
        return any((table.entries - floor) * SHARE > table.ceiling - floor for table, floor in filled)

    def leave(self) -> None:
        """Take out what came since if it was much: a few entries are what any traffic leaves."""
        if self._has_forgotten or self.are_filling():
            self.forget()

    def refusals(self) -> int:
        """Return how often a table of the machine had no room for another entry, ever."""
        return sum(table.refusals for table in self.fill())

    def fill(self) -> list[Fill]:
        """Return how full the tables of the machine are."""
        return [*_fills(self._asked)] if self._asked else []

    def forget(self) -> None:
        """Take out what came since and is resolved."""
        self._has_forgotten = True
        for space in self._spaces:
            before = self._before[space.descriptor]
            with netns.inside(space.descriptor), netlink.line() as line:
                came = {entry for entry in _removable(line) if entry not in before}
                if came:
                    line.send(b"".join(map(_deletion, came)))
        self._floor = [table.entries for table in self.fill()]


def _found(descriptor: int) -> list[Entry]:
    with netns.inside(descriptor), netlink.line() as line:
        return [entry for entry, _, _ in _entries(line)]


def _removable(line: socket.socket) -> Iterator[Entry]:
    """Yield the entries on which nothing waits and that nobody wrote there."""
    for entry, state, flags in _entries(line):
        is_group = state == NO_QUESTION and entry.family == socket.AF_INET6 and entry.address[0] == GROUP
        if not flags & WRITTEN and (state & RESOLVED or is_group):
            yield entry


def _entries(line: socket.socket) -> Iterator[tuple[Entry, int, int]]:
    """Yield the neighbours of the namespace in which a line was opened, with their states and flags."""
    for kind, body in netlink.dump(line, GET, NEIGHBOUR.pack(0, 0, 0, 0, 0)):
        family, link, state, flags, _ = NEIGHBOUR.unpack_from(body)
        address = dict(netlink.attributes(body, NEIGHBOUR.size)).get(DESTINATION)
        if kind == NEW and address and family in (socket.AF_INET, socket.AF_INET6):
            yield Entry(family, link, bytes(address)), state, flags


def _fills(line: socket.socket) -> Iterator[Fill]:
    """Yield how full each table is; the messages without a configuration are about single links."""
    for _, body in netlink.dump(line, GET_TABLES, TABLE.pack(0)):
        told = dict(netlink.attributes(body, TABLE.size))
        if CONFIGURATION in told and CEILING in told and STATISTICS in told:
            yield Fill(
                int.from_bytes(told[CONFIGURATION][ENTRIES_AT : ENTRIES_AT + 4], sys.byteorder),
                int.from_bytes(told[CEILING][:4], sys.byteorder),
                int.from_bytes(told[STATISTICS][FULL_AT : FULL_AT + 8], sys.byteorder),
            )


def _deletion(entry: Entry) -> bytes:
    body = NEIGHBOUR.pack(entry.family, entry.link, 0, 0, 0) + netlink.attribute(DESTINATION, entry.address)
    return netlink.message(DELETE, body)
