"""Evicts the prober's entries from the kernel's neighbor tables (ARP and NDP), which all namespaces share.

Each pair of addresses that exchanges packets over a link has an entry in both namespaces. A table holds 1024 entries
by default (gc_thresh3 in arp(7)), and the kernel evicts only entries that were not used for five seconds
(neigh_forced_gc in net/core/neighbour.c). A hundred containers have more pairs than that, and while a table is full
the services cannot resolve any neighbor either.

Rule: an entry is deleted only if it is newer than the start of the proof, is resolved, and the tables begin to fill.
The kernel resolves it again when a packet needs it. Static entries are not deleted, and no entry is ever added, so a
killed prober leaves only the entries that any traffic leaves.
A packet that the kernel sends over an entry while it is deleted may be lost, and no counter shows it
(__neigh_event_send drops a packet whose neighbor is dead). So nothing is deleted while the prober waits for silence.
Source: rtnetlink(7), linux/neighbour.h.
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
"""struct ndmsg of linux/neighbour.h.

    struct ndmsg {
        __u8  ndm_family;
        __u8  ndm_pad1;
        __u16 ndm_pad2;
        __s32 ndm_ifindex;
        __u16 ndm_state;     /* NUD_* */
        __u8  ndm_flags;     /* NTF_* */
        __u8  ndm_type;
    };
"""
NDTMSG: Final = struct.Struct("=B3x")
"""struct ndtmsg { __u8 ndtm_family; __u8 ndtm_pad1; __u16 ndtm_pad2; }."""
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH, RTM_GETNEIGHTBL = 28, 29, 30, 66
NDA_DST: Final = 1
"""The attribute with the neighbor's IP address."""
NDTA_THRESH3, NDTA_CONFIG, NDTA_STATS = 4, 5, 7
"""Attributes of a table: its gc_thresh3, a struct ndt_config, a struct ndt_stats."""
ENTRIES_OFFSET, TABLE_FULLS_OFFSET = 4, 80
"""offsetof(struct ndt_config, ndtc_entries) and offsetof(struct ndt_stats, ndts_table_fulls)."""
RESOLVED_STATES: Final = 0x02 | 0x04 | 0x08 | 0x10
"""NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE: the hardware address is known."""
NUD_NOARP: Final = 0x40
"""NUD_NOARP: an address that needs no resolution, such as a solicited-node multicast group (RFC 4861)."""
STATIC_FLAGS: Final = 0x10 | 0x40
"""NTF_EXT_LEARNED | NTF_STICKY: a program, not the kernel, added the entry."""
MULTICAST_PREFIX: Final = 0xFF
"""The first byte of an IPv6 multicast address (RFC 4291 section 2.7)."""
FREE_SHARE: Final = 2
"""The prober uses one in FREE_SHARE of the free entries of a table; the services have the others."""


class HasNamespace(Protocol):
    """An object that belongs to a network namespace."""

    @property
    def descriptor(self) -> int:
        """The open descriptor of the namespace."""


class Entry(NamedTuple):
    """The key of a neighbor entry: address family, ifindex, IP address in network byte order."""

    family: int
    interface: int
    address: bytes


@dataclass(frozen=True, slots=True)
class TableUsage:
    """The number of entries of a table, its limit, and how often it was full since the machine started."""

    entries: int
    limit: int
    overflows: int


class NeighborTables:
    """The neighbor entries of some namespaces at the start of a proof, to delete the entries that a proof adds."""

    def __init__(self, namespaces: Collection[HasNamespace]) -> None:
        self._namespaces = namespaces
        self._stack = ExitStack()
        self._initial: Mapping[int, frozenset[Entry]] = {}
        self._socket: socket.socket | None = None
        self._has_evicted = False
        self._baseline: Sequence[int] = ()
        """The number of entries of each table without those of the prober."""

    def __enter__(self) -> Self:
        self._initial = {
            namespace.descriptor: frozenset(_current_entries(namespace.descriptor)) for namespace in self._namespaces
        }
        for namespace in [*self._namespaces][-1:]:  # a container's: RTM_GETNEIGHTBL answers for each interface too
            with netns.inside(namespace.descriptor):
                self._socket = self._stack.enter_context(netlink.nl_socket())
        self._baseline = [table.entries for table in self.usage()]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def are_filling(self) -> bool:
        """Whether the entries that a proof added use their share of a table."""
        filled = zip(self.usage(), self._baseline, strict=True)
        return any((table.entries - baseline) * FREE_SHARE > table.limit - baseline for table, baseline in filled)

    def evict_if_grown(self) -> None:
        """Delete the added entries if they are many; any traffic leaves a few."""
        if self._has_evicted or self.are_filling():
            self.evict()

    def overflows(self) -> int:
        """Return how often a table of the machine was full since the machine started."""
        return sum(table.overflows for table in self.usage())

    def usage(self) -> list[TableUsage]:
        """Return the usage of the machine's neighbor tables."""
        return [*_usages(self._socket)] if self._socket else []

    def evict(self) -> None:
        """Delete the resolved entries that were added since the start of the proof."""
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
    """Yield the entries that are resolved and not static: no queued packet waits for them."""
    for entry, state, flags in _entries(nl_socket):
        is_group = state == NUD_NOARP and entry.family == socket.AF_INET6 and entry.address[0] == MULTICAST_PREFIX
        if not flags & STATIC_FLAGS and (state & RESOLVED_STATES or is_group):
            yield entry


def _entries(nl_socket: socket.socket) -> Iterator[tuple[Entry, int, int]]:
    """Yield the neighbor entries of a netlink socket's namespace, with their states (NUD_*) and flags (NTF_*)."""
    for kind, body in netlink.dump(nl_socket, RTM_GETNEIGH, NDMSG.pack(0, 0, 0, 0, 0)):
        family, interface, state, flags, _ = NDMSG.unpack_from(body)
        address = dict(netlink.attributes(body, NDMSG.size)).get(NDA_DST)
        if kind == RTM_NEWNEIGH and address and family in (socket.AF_INET, socket.AF_INET6):
            yield Entry(family, interface, bytes(address)), state, flags


def _usages(nl_socket: socket.socket) -> Iterator[TableUsage]:
    """Yield the usage of each table; a message without NDTA_CONFIG is about one interface."""
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
