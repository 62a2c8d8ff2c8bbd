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

NDMSG: Final = struct.Struct("=B3xiHBB")
"""Family, interface, state, flags, type."""
NDTMSG: Final = struct.Struct("=B3x")
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH, RTM_GETNEIGHTBL = 28, 29, 30, 66
NDA_DST: Final = 1
NDTA_THRESH3, NDTA_CONFIG, NDTA_STATS = 4, 5, 7
"""NDTA_THRESH3, NDTA_CONFIG and NDTA_STATS."""
ENTRIES_OFFSET, TABLE_FULLS_OFFSET = 4, 80
"""Where `ndt_config` has the number of entries, and `ndt_stats` how often there was no room for another."""
RESOLVED_STATES: Final = 0x02 | 0x04 | 0x08 | 0x10
"""NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE."""
NUD_NOARP: Final = 0x40
"""NUD_NOARP: what needs no resolution, such as the groups in which IPv6 asks."""
STATIC_FLAGS: Final = 0x10 | 0x40
"""NTF_EXT_LEARNED and NTF_STICKY: somebody put it there."""
MULTICAST_PREFIX: Final = 0xFF
"""The first byte of an IPv6 multicast address (RFC 4291 section 2.7)."""
FREE_SHARE: Final = 2
"""One in so many free entries of a table is the prober's to use; the others are left to the services."""


class HasNamespace(Protocol):
    """Something that stands in a network namespace."""

    @property
    def descriptor(self) -> int:
        """The namespace, opened."""


class Entry(NamedTuple):
    """A neighbour: the family of its address, the interface, and the address."""

    family: int
    interface: int
    address: bytes


@dataclass(frozen=True, slots=True)
class TableUsage:
    """How full a table is, and how often it had no room for another entry, ever."""

    entries: int
    limit: int
    overflows: int


class NeighborTables:
    """What the tables of some namespaces held before the prober came, so that it can leave them like that."""

    def __init__(self, namespaces: Collection[HasNamespace]) -> None:
        self._namespaces = namespaces
        self._stack = ExitStack()
        self._initial: Mapping[int, frozenset[Entry]] = {}
        self._socket: socket.socket | None = None
        self._has_evicted = False
        self._baseline: Sequence[int] = ()
        """How many entries of each table are there without what was brought."""

    def __enter__(self) -> Self:
        self._initial = {
            namespace.descriptor: frozenset(_current_entries(namespace.descriptor)) for namespace in self._namespaces
        }
        for namespace in [*self._namespaces][-1:]:  # one with few links: the kernel tells of each
            with netns.inside(namespace.descriptor):
                self._socket = self._stack.enter_context(netlink.nl_socket())
        self._baseline = [table.entries for table in self.usage()]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def are_filling(self) -> bool:
        """Whether what came since begins to fill the tables."""
        filled = zip(self.usage(), self._baseline, strict=True)
        return any((table.entries - baseline) * FREE_SHARE > table.limit - baseline for table, baseline in filled)

    def evict_if_grown(self) -> None:
        """Take out what came since if it was much: a few entries are what any traffic leaves."""
        if self._has_evicted or self.are_filling():
            self.evict()

    def overflows(self) -> int:
        """Return how often a table of the machine had no room for another entry, ever."""
        return sum(table.overflows for table in self.usage())

    def usage(self) -> list[TableUsage]:
        """Return how full the tables of the machine are."""
        return [*_usages(self._socket)] if self._socket else []

    def evict(self) -> None:
        """Take out what came since and is resolved."""
        self._has_evicted = True
        for namespace in self._namespaces:
            initial = self._initial[namespace.descriptor]
            with netns.inside(namespace.descriptor), netlink.nl_socket() as nl_socket:
                added = {entry for entry in _removable(nl_socket) if entry not in initial}
                if added:
                    nl_socket.send(b"".join(map(_delete_request, added)))
        self._baseline = [table.entries for table in self.usage()]


def _current_entries(descriptor: int) -> list[Entry]:
    with netns.inside(descriptor), netlink.nl_socket() as nl_socket:
        return [entry for entry, _, _ in _entries(nl_socket)]


def _removable(nl_socket: socket.socket) -> Iterator[Entry]:
    """Yield the entries on which nothing waits and that nobody wrote there."""
    for entry, state, flags in _entries(nl_socket):
        is_group = state == NUD_NOARP and entry.family == socket.AF_INET6 and entry.address[0] == MULTICAST_PREFIX
        if not flags & STATIC_FLAGS and (state & RESOLVED_STATES or is_group):
            yield entry


def _entries(nl_socket: socket.socket) -> Iterator[tuple[Entry, int, int]]:
    """Yield the neighbours of the namespace in which a line was opened, with their states and flags."""
    for kind, body in netlink.dump(nl_socket, RTM_GETNEIGH, NDMSG.pack(0, 0, 0, 0, 0)):
        family, interface, state, flags, _ = NDMSG.unpack_from(body)
        address = dict(netlink.attributes(body, NDMSG.size)).get(NDA_DST)
        if kind == RTM_NEWNEIGH and address and family in (socket.AF_INET, socket.AF_INET6):
            yield Entry(family, interface, bytes(address)), state, flags


def _usages(nl_socket: socket.socket) -> Iterator[TableUsage]:
    """Yield how full each table is; the messages without a configuration are about single links."""
    for _, body in netlink.dump(nl_socket, RTM_GETNEIGHTBL, NDTMSG.pack(0)):
        attrs = dict(netlink.attributes(body, NDTMSG.size))
        if NDTA_CONFIG in attrs and NDTA_THRESH3 in attrs and NDTA_STATS in attrs:
            yield TableUsage(
                int.from_bytes(attrs[NDTA_CONFIG][ENTRIES_OFFSET : ENTRIES_OFFSET + 4], sys.byteorder),
                int.from_bytes(attrs[NDTA_THRESH3][:4], sys.byteorder),
                int.from_bytes(attrs[NDTA_STATS][TABLE_FULLS_OFFSET : TABLE_FULLS_OFFSET + 8], sys.byteorder),
            )


def _delete_request(entry: Entry) -> bytes:
    body = NDMSG.pack(entry.family, entry.interface, 0, 0, 0) + netlink.attribute(NDA_DST, entry.address)
    return netlink.message(RTM_DELNEIGH, body)
