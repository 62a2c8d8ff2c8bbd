"""Opens the probe sockets of one network namespace: raw sockets, a UDP sender, and canaries.

A socket belongs to the namespace in which it was opened, whichever namespace its thread is in later. So one loop
serves the sockets of all namespaces. For each IP version there are raw sockets for TCP, UDP and ICMP (raw(7)), which
send SYNs and echo requests and receive answers and arrivals, and a UDP socket, which sends datagrams.

Input: an open namespace descriptor. Output: `ProbeSockets`, which an ExitStack closes.
Rule: probe sockets disturb no other traffic. Canaries listen on ports that the kernel chooses, raw sockets receive
copies of packets, and a BPF filter drops the copies that are not about this run.
Source: raw(7), ip(7), ipv6(7), https://man7.org/linux/man-pages/man7/raw.7.html.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from cloison.linux import interfaces, mmsg, netns, route_lookup
from cloison.linux.route_lookup import FAMILIES
from cloison.model.flow import Protocol, ip_version
from cloison.probe import bpf_filter, packets
from cloison.probe.socket_registry import RegisterSocket

SO_ATTACH_FILTER: Final = 26
SO_MEMINFO: Final = 55
SO_RCVBUFFORCE: Final = 33
"""Socket options of asm-generic/socket.h that Python does not name."""
SK_MEMINFO_DROPS: Final = 8
"""SK_MEMINFO_DROPS of linux/sock_diag.h: the index in SO_MEMINFO's array of packets that the socket dropped."""
SK_MEMINFO_VARS: Final = 9
"""SK_MEMINFO_VARS of linux/sock_diag.h: the number of __u32 in SO_MEMINFO's array."""
RECEIVE_BUFFER: Final = 8 << 20
MAX_DRAINED: Final = 1 << 10
"""Packets that are read from a socket before the time is looked at again."""
BACKLOG: Final = 128
ICMP: Final = {4: packets.IPPROTO_ICMP, 6: packets.IPPROTO_ICMPV6}
WILDCARD_ADDRESS: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # a canary listens on every address
CONNTRACK_STATS: Final = Path("/proc/thread-self/net/stat/nf_conntrack")
CONNTRACK_DROP_COLUMN: Final = "drop"
"""The column that counts packets which the kernel dropped because the connection tracking table was full."""
NEIGHBOR_STATS: Final = (Path("/proc/net/stat/arp_cache"), Path("/proc/net/stat/ndisc_cache"))
"""The counters of the neighbor tables, which all namespaces share."""
UNRESOLVED_COLUMN: Final = "unresolved_discards"
"""The column that counts packets which the kernel dropped while their neighbor was not resolved yet."""
SOCKADDR: Final = {4: struct.Struct("=H2x4s8x"), 6: struct.Struct("=H6x16sI")}
"""struct sockaddr_in and struct sockaddr_in6, with port 0.

    struct sockaddr_in  { sa_family_t sin_family;  in_port_t sin_port;  struct in_addr sin_addr; char sin_zero[8]; };
    struct sockaddr_in6 { sa_family_t sin6_family; in_port_t sin6_port; uint32_t sin6_flowinfo;
                          struct in6_addr sin6_addr; uint32_t sin6_scope_id; };
"""
IP_PKTINFO: Final = 8
PKTINFO: Final = {
    4: (struct.Struct("=i4s4x"), socket.IPPROTO_IP, IP_PKTINFO),
    6: (struct.Struct("=16si"), socket.IPPROTO_IPV6, socket.IPV6_PKTINFO),
}
"""Ancillary data that fix the source address of a packet: layout, cmsg_level, cmsg_type.

    struct in_pktinfo  { int ipi_ifindex; struct in_addr ipi_spec_dst; struct in_addr ipi_addr; };
    struct in6_pktinfo { struct in6_addr ipi6_addr; int ipi6_ifindex; };
"""
Ports = Collection[tuple[Protocol, int]]


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """The token of a run's probes, and the function that registers its sockets."""

    token: int
    register: RegisterSocket


@dataclass(frozen=True, slots=True)
class SourceRoute:
    """The route to an address: the source address that the namespace's kernel chooses."""

    source: str
    version: int
    pseudo_sum: int
    """The sum of the pseudo-header's words, for the checksum of a SYN."""
    address_block: bytes
    """The sockaddr and the pktinfo, as a slot of a send batch holds them."""


@dataclass(slots=True, eq=False)
class FamilySockets:
    """The sockets for one IP version: raw sockets by protocol, and the UDP socket `sender`."""

    raw: dict[Protocol, socket.socket]
    sender: socket.socket

    def sender_socket(self, protocol: Protocol) -> socket.socket:
        """Return the socket that sends a protocol."""
        return self.sender if protocol is Protocol.UDP else self.raw[protocol]


@dataclass(slots=True, eq=False)
class ProbeSockets:
    """The sockets of one namespace. `port` is the source port of its SYNs, `canaries` are the ports of its canaries."""

    name: str
    descriptor: int
    port: int
    canaries: dict[Protocol, int]
    per_family: dict[int, FamilySockets]
    routes: dict[tuple[str, str], SourceRoute | OSError] = field(default_factory=dict)
    """By destination and, for a link-local destination, the own address on the interface to use."""
    is_guarded: bool = False
    """Whether `udp_guard` is attached to the namespace."""

    def lost(self) -> int:
        """Return how many packets the raw sockets have dropped because their receive buffers were full."""
        return sum(_drops(raw) for family_sockets in self.per_family.values() for raw in family_sockets.raw.values())

    def conntrack_drops(self) -> int:
        """Return how many packets the full connection tracking table has dropped in this namespace."""
        with netns.inside(self.descriptor):
            return _conntrack_drops()

    def resolve_routes(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Look up the source route to each address and add it to `routes`. No packet is sent."""
        unknown = {route for route in wanted if route not in self.routes}
        if unknown:
            with netns.inside(self.descriptor):
                indexes_by_address = interfaces.indexes_by_address() if any(at for _, at in unknown) else {}
                self.routes |= _source_routes(unknown, indexes_by_address)

    @property
    def sending_ports(self) -> set[int]:
        """The source ports of this namespace's datagrams."""
        return {family_sockets.sender.getsockname()[1] for family_sockets in self.per_family.values()}


def _source_routes(
    wanted: Iterable[tuple[str, str]], indexes_by_address: Mapping[str, int]
) -> dict[tuple[str, str], SourceRoute | OSError]:
    keys = [*wanted]
    scopes = [indexes_by_address.get(local_address, 0) for _, local_address in keys]
    queries = [(address, scope) for (address, _), scope in zip(keys, scopes, strict=True)]
    results = zip(keys, scopes, route_lookup.look_up(queries), strict=True)
    return {
        key: found if isinstance(found, OSError) else _source_route(found.source, key[0], scope)
        for key, scope, found in results
    }


def _source_route(source: str, address: str, scope: int) -> SourceRoute:
    address_block = _target_block(address, scope) + _source_block(source, scope)
    return SourceRoute(source, ip_version(address), packets.pseudo_sum(source, address), address_block)


@lru_cache(packets.CACHE_SIZE)
def _target_block(address: str, scope: int) -> bytes:
    """Return the sockaddr of a destination, filled up to the ancillary data; sin6_scope_id names the interface."""
    version = ip_version(address)
    packed = socket.inet_pton(FAMILIES[version], address)
    target = SOCKADDR[version].pack(FAMILIES[version], packed, *([scope] if version == 6 else []))  # noqa: PLR2004  # of IP
    return target.ljust(mmsg.CONTROL_OFFSET, b"\0")


@lru_cache(packets.CACHE_SIZE)
def _source_block(source: str, scope: int) -> bytes:
    """Return the ancillary data of a source: ipi_spec_dst and ipi6_addr; ipi6_ifindex names the interface."""
    version = ip_version(source)
    layout, level, kind = PKTINFO[version]
    packed = socket.inet_pton(FAMILIES[version], source)
    pktinfo = layout.pack(0, packed) if version == 4 else layout.pack(packed, scope)  # noqa: PLR2004  # of IP
    return mmsg.control_message(level, kind, pktinfo)


def open_probe_sockets(
    opened: ExitStack, name: str, descriptor: int, run: ProbeRun, stand_ins: Ports = ()
) -> ProbeSockets:
    """Open probe sockets in a namespace; `opened` closes them, and the caller closes `descriptor`.

    On the ports `stand_ins` further sockets listen in the place of services that do not run; these are not registered.
    Raises OSError if the namespace cannot be entered, or a port of `stand_ins` is in use.
    """
    with netns.inside(descriptor), ExitStack() as stack:
        versions = [version for version in FAMILIES if version == 4 or _has_ipv6()]  # noqa: PLR2004  # of IP
        for protocol, port in stand_ins:  # before the kernel chooses ports of its own
            _canary(stack, protocol, versions, None, port)
        canaries = {protocol: _canary(stack, protocol, versions, run) for protocol in (Protocol.TCP, Protocol.UDP)}
        reserved: int = _bound(stack, Protocol.TCP, versions, run).getsockname()[1]
        per_family = {version: _open_family_sockets(stack, version, reserved, run) for version in versions}
        opened.push(stack.pop_all())
    return ProbeSockets(name, descriptor, reserved, canaries, per_family)


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM):
        return True
    return False


def _canary(
    stack: ExitStack, protocol: Protocol, versions: Collection[int], run: ProbeRun | None, port: int = 0
) -> int:
    """Open a canary on a port of all IP versions, and return the port; for 0 the kernel chooses one."""
    sock = _bound(stack, protocol, versions, run, port)
    if protocol is Protocol.TCP:
        sock.listen(BACKLOG)
    number: int = sock.getsockname()[1]
    return number


def _bound(
    stack: ExitStack, protocol: Protocol, versions: Collection[int], run: ProbeRun | None, port: int = 0
) -> socket.socket:
    version = max(versions)
    kind = socket.SOCK_STREAM if protocol is Protocol.TCP else socket.SOCK_DGRAM
    sock = stack.enter_context(socket.socket(FAMILIES[version], kind))
    if version == 6:  # noqa: PLR2004  # of IP
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if run:
        run.register(sock)
    sock.bind((WILDCARD_ADDRESS[version], port))
    return sock


def _open_family_sockets(stack: ExitStack, version: int, port: int, run: ProbeRun) -> FamilySockets:
    filters = {
        Protocol.TCP: (packets.IPPROTO_TCP, bpf_filter.tcp_filter(version, port, run.token)),
        Protocol.UDP: (packets.IPPROTO_UDP, bpf_filter.udp_filter(version, run.token)),
        Protocol.ICMP: (ICMP[version], bpf_filter.icmp_filter(version, port, run.token)),
    }
    raw = {protocol: stack.enter_context(_raw(version, *number)) for protocol, number in filters.items()}
    sender = stack.enter_context(socket.socket(FAMILIES[version], socket.SOCK_DGRAM))
    sender.setblocking(False)  # noqa: FBT003  # the socket module's own signature
    if version == 6:  # noqa: PLR2004  # of IP
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    run.register(sender)
    sender.bind((WILDCARD_ADDRESS[version], 0))
    return FamilySockets(raw, sender)


@contextmanager
def _raw(version: int, number: int, bpf_program: bpf_filter.Filter) -> Iterator[socket.socket]:
    with filtered_raw_socket(FAMILIES[version], number, bpf_program) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        yield raw


def filtered_raw_socket(family: int, number: int, bpf_program: bpf_filter.Filter) -> socket.socket:
    """Return a raw socket of a protocol that receives only what a filter passes; it does not block.

    A raw socket receives from the moment in which it exists, so what came before the filter is discarded.
    """
    raw = socket.socket(family, socket.SOCK_RAW, number)
    try:
        raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bpf_program[0])
        raw.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        for _ in drain(raw, 1):
            pass
    except OSError:
        raw.close()
        raise
    return raw


def drain(sock: socket.socket, size: int) -> Iterator[bytes]:
    """Yield `size` bytes of each packet that a socket has received, at most MAX_DRAINED.

    A sender that is as fast as this loop would keep it busy for ever.
    """
    with suppress(BlockingIOError):
        for _ in range(MAX_DRAINED):
            yield sock.recv(size)


def _drops(raw: socket.socket) -> int:
    counters = raw.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * SK_MEMINFO_VARS)
    return int(struct.unpack(f"={SK_MEMINFO_VARS}I", counters)[SK_MEMINFO_DROPS])


def unresolved_discards() -> int:
    """Return how many packets the machine has dropped because too many waited for an unresolved neighbor."""
    return sum(_column_sum(path, UNRESOLVED_COLUMN) for path in NEIGHBOR_STATS)


def _conntrack_drops() -> int:
    return _column_sum(CONNTRACK_STATS, CONNTRACK_DROP_COLUMN)


def _column_sum(path: Path, column: str) -> int:
    """Return the sum of a column of /proc/net/stat: a header line, and a line of hexadecimal numbers a processor."""
    if not path.exists():
        return 0
    header, *rows = (line.split() for line in path.read_text().splitlines())
    at = header.index(column)
    return sum(int(row[at], 16) for row in rows)
