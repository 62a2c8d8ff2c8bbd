"""Takes up posts: the prober's sockets inside one network namespace.

Sockets stay in the namespace in which they were made, so one loop outside can serve all posts.

Rule: a post is silent towards everybody else. Its canaries listen on ports of the kernel's choice,
its raw sockets only listen, and the kernel's filters hide from it what is not its own.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
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
MEMINFO_DROPS: Final = 8
"""Which number of SO_MEMINFO counts what the socket had no room for."""
RECEIVE_BUFFER: Final = 8 << 20
BACKLOG: Final = 128
ICMP: Final = {4: packets.IPPROTO_ICMP, 6: packets.IPPROTO_ICMPV6}
WILDCARD_ADDRESS: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # a canary listens on every address
CONNTRACK_STATS: Final = Path("/proc/thread-self/net/stat/nf_conntrack")
CONNTRACK_DROP_COLUMN: Final = "drop"
"""The column that counts packets for which the connection tracking table had no room."""
NEIGHBOR_STATS: Final = (Path("/proc/net/stat/arp_cache"), Path("/proc/net/stat/ndisc_cache"))
"""What the kernel counts about the neighbours of all namespaces together: their table is one."""
UNRESOLVED_COLUMN: Final = "unresolved_discards"
"""The column that counts packets for which there was no room while their neighbour was being asked for."""
SOCKADDR: Final = {4: struct.Struct("=H2x4s8x"), 6: struct.Struct("=H6x16sI")}
"""A `sockaddr_in` and a `sockaddr_in6`, without a port."""
PKTINFO: Final = {
    4: (struct.Struct("=i4s4x"), socket.IPPROTO_IP, 8),
    6: (struct.Struct("=16si"), socket.IPPROTO_IPV6, socket.IPV6_PKTINFO),
}
"""How a packet is told its source: IP_PKTINFO, which Python does not name, and its sister."""
Ports = Collection[tuple[Protocol, int]]


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """What the posts of one run share: the token of its probes, and the way to announce its sockets."""

    token: int
    register: RegisterSocket


@dataclass(frozen=True, slots=True)
class SourceRoute:
    """How the namespace's kernel would send to an address: from which address of its own."""

    source: str
    version: int
    pseudo_sum: int
    """What the two addresses add to the checksum of a SYN."""
    address_block: bytes
    """Where to and from where, as a slot of a volley holds them."""


@dataclass(slots=True, eq=False)
class FamilySockets:
    """What a post speaks one version of IP with. Raw sockets hear, by protocol; `sender` speaks UDP."""

    raw: dict[Protocol, socket.socket]
    sender: socket.socket

    def sender_socket(self, protocol: Protocol) -> socket.socket:
        """Return the socket that sends a protocol."""
        return self.sender if protocol is Protocol.UDP else self.raw[protocol]


@dataclass(slots=True, eq=False)
class ProbeSockets:
    """Sockets in one namespace. `port` is what its probes come from, `canaries` are the ports of its own listeners."""

    name: str
    descriptor: int
    port: int
    canaries: dict[Protocol, int]
    per_family: dict[int, FamilySockets]
    routes: dict[tuple[str, str], SourceRoute | OSError] = field(default_factory=dict)
    """By address and, for one that is valid on one link alone, an own address on that link."""
    is_guarded: bool = False
    """Whether datagrams of ours find no service here."""

    def lost(self) -> int:
        """Return how many packets this post's sockets had no room for, ever."""
        return sum(_drops(raw) for family_sockets in self.per_family.values() for raw in family_sockets.raw.values())

    def conntrack_drops(self) -> int:
        """Return how many packets in its namespace found the connection tracking table full, ever."""
        with netns.inside(self.descriptor):
            return _conntrack_drops()

    def resolve_routes(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Ask the namespace's kernel how it would send to each address. No packet is sent."""
        unknown = {route for route in wanted if route not in self.routes}
        if unknown:
            with netns.inside(self.descriptor):
                indexes_by_address = interfaces.indexes_by_address() if any(at for _, at in unknown) else {}
                self.routes |= _source_routes(unknown, indexes_by_address)

    @property
    def sending_ports(self) -> set[int]:
        """The ports from which this post sends datagrams."""
        return {family_sockets.sender.getsockname()[1] for family_sockets in self.per_family.values()}


def _source_routes(
    wanted: Iterable[tuple[str, str]], indexes_by_address: Mapping[str, int]
) -> dict[tuple[str, str], SourceRoute | OSError]:
    asked = [*wanted]
    scopes = [indexes_by_address.get(at, 0) for _, at in asked]
    questions = [(address, scope) for (address, _), scope in zip(asked, scopes, strict=True)]
    results = zip(asked, scopes, route_lookup.look_up(questions), strict=True)
    return {
        route: r if isinstance(r, OSError) else _source_route(r.source, route[0], scope) for route, scope, r in results
    }


def _source_route(source: str, address: str, scope: int) -> SourceRoute:
    version = ip_version(address)
    layout, level, kind = PKTINFO[version]
    own, far = (socket.inet_pton(FAMILIES[version], end) for end in (source, address))
    pktinfo = layout.pack(0, own) if version == 4 else layout.pack(own, scope)  # noqa: PLR2004  # of IP
    target = SOCKADDR[version].pack(FAMILIES[version], far, *([scope] if version == 6 else []))  # noqa: PLR2004  # of IP
    address_block = target.ljust(mmsg.CONTROL_OFFSET, b"\0") + mmsg.control_message(level, kind, pktinfo)
    return SourceRoute(source, version, packets.pseudo_sum(source, address), address_block)


def open_probe_sockets(
    opened: ExitStack, name: str, descriptor: int, run: ProbeRun, stand_ins: Ports = ()
) -> ProbeSockets:
    """Take up a post in a namespace; its sockets close with `opened`, the descriptor stays the caller's.

    Canaries listen on the ports `stand_ins` as well: they stand in for services that are not there, and
    are not announced. Raises OSError when the namespace cannot be entered, or somebody listens on such a port.
    """
    with netns.inside(descriptor), ExitStack() as made:
        versions = [version for version in FAMILIES if version == 4 or _has_ipv6()]  # noqa: PLR2004  # of IP
        for protocol, port in stand_ins:  # before the kernel chooses ports of its own
            _canary(made, protocol, versions, None, port)
        canaries = {protocol: _canary(made, protocol, versions, run) for protocol in (Protocol.TCP, Protocol.UDP)}
        reserved: int = _bound(made, Protocol.TCP, versions, run).getsockname()[1]
        per_family = {version: _open_family_sockets(made, version, reserved, run) for version in versions}
        opened.push(made.pop_all())
    return ProbeSockets(name, descriptor, reserved, canaries, per_family)


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM):
        return True
    return False


def _canary(made: ExitStack, protocol: Protocol, versions: Collection[int], run: ProbeRun | None, port: int = 0) -> int:
    """Open a socket on one port of every version of IP, and return the port; 0 asks the kernel for one."""
    opened = _bound(made, protocol, versions, run, port)
    if protocol is Protocol.TCP:
        opened.listen(BACKLOG)
    number: int = opened.getsockname()[1]
    return number


def _bound(
    made: ExitStack, protocol: Protocol, versions: Collection[int], run: ProbeRun | None, port: int = 0
) -> socket.socket:
    version = max(versions)
    kind = socket.SOCK_STREAM if protocol is Protocol.TCP else socket.SOCK_DGRAM
    opened = made.enter_context(socket.socket(FAMILIES[version], kind))
    if version == 6:  # noqa: PLR2004  # of IP
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if run:
        run.register(opened)
    opened.bind((WILDCARD_ADDRESS[version], port))
    return opened


def _open_family_sockets(made: ExitStack, version: int, port: int, run: ProbeRun) -> FamilySockets:
    filters = {
        Protocol.TCP: (packets.IPPROTO_TCP, bpf_filter.tcp_filter(version, port, run.token)),
        Protocol.UDP: (packets.IPPROTO_UDP, bpf_filter.udp_filter(version, run.token)),
        Protocol.ICMP: (ICMP[version], bpf_filter.icmp_filter(version, run.token)),
    }
    raw = {protocol: made.enter_context(_raw(version, *number)) for protocol, number in filters.items()}
    sender = made.enter_context(socket.socket(FAMILIES[version], socket.SOCK_DGRAM))
    sender.setblocking(False)  # noqa: FBT003  # the socket module's own signature
    if version == 6:  # noqa: PLR2004  # of IP
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    run.register(sender)
    sender.bind((WILDCARD_ADDRESS[version], 0))
    return FamilySockets(raw, sender)


@contextmanager
def _raw(version: int, number: int, only: bpf_filter.Filter) -> Iterator[socket.socket]:
    with socket.socket(FAMILIES[version], socket.SOCK_RAW, number) as made:
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, only[0])
        made.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        yield made


def _drops(raw: socket.socket) -> int:
    return int(struct.unpack("9I", raw.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[MEMINFO_DROPS])


def unresolved_discards() -> int:
    """Return how many packets the machine has dropped because too many waited for a neighbour, ever."""
    return sum(_column_sum(path, UNRESOLVED_COLUMN) for path in NEIGHBOR_STATS)


def _conntrack_drops() -> int:
    return _column_sum(CONNTRACK_STATS, CONNTRACK_DROP_COLUMN)


def _column_sum(path: Path, column: str) -> int:
    """Sum up a column of the kernel's statistics, one row a processor."""
    if not path.exists():
        return 0
    address_block, *rows = (sender_socket.split() for sender_socket in path.read_text().splitlines())
    at = address_block.index(column)
    return sum(int(row[at], 16) for row in rows)
