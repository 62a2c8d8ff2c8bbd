"""Reads the connections that stand in the calling thread's network namespace from the kernel's socket tables.

Output: `Connection` values: TCP connections after their handshake, and connected sockets of UDP.
Rule: a socket table does not say who began; a connection whose own port has a listener was begun by the other end.
Source: https://man7.org/linux/man-pages/man7/sock_diag.7.html, linux/inet_diag.h, net/tcp_states.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from ipaddress import ip_address
from typing import Final, NamedTuple

from cloison.linux import netlink
from cloison.linux.listening_sockets import FAMILIES, INET_DIAG_REQ_V2, SOCK_DIAG_BY_FAMILY
from cloison.model.flow import Protocol

TCP_STATES: Final = sum(1 << state for state in (1, 4, 5, 6, 8, 9, 11))
"""TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT, TCP_CLOSE_WAIT, TCP_LAST_ACK and TCP_CLOSING: the
handshake was complete."""
UDP_STATES: Final = 1 << 1
"""TCP_ESTABLISHED, the state of a connected UDP socket."""
REQUESTS: Final = (
    (Protocol.TCP, socket.IPPROTO_TCP, TCP_STATES),
    (Protocol.UDP, socket.IPPROTO_UDP, UDP_STATES),
)
ENDS: Final = struct.Struct("=4x2s2s16s16s")
"""idiag_sport, idiag_dport, idiag_src and idiag_dst of struct inet_diag_msg, all in network byte order."""


class Connection(NamedTuple):
    """A connection, from the end that began it; the ports are those of the two sockets."""

    protocol: Protocol
    source: str
    source_port: int
    target: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether one end has a loopback address, so that the connection stays in its namespace."""
        return ip_address(self.source).is_loopback or ip_address(self.target).is_loopback


def connections(listening: Collection[tuple[Protocol, int]]) -> set[Connection]:
    """Return the connections of this thread's namespace, apart from local ones; `listening` are its ports of listeners.

    Empty on a kernel without CONFIG_INET_DIAG.
    """
    found: set[Connection] = set()
    with suppress(OSError), netlink.nl_socket(netlink.NETLINK_SOCK_DIAG) as sock:
        for protocol, number, states in REQUESTS:
            for family, length in FAMILIES.items():
                request = INET_DIAG_REQ_V2.pack(family, number, states)
                for _, body in netlink.dump(sock, SOCK_DIAG_BY_FAMILY, request):
                    found.add(_connection(protocol, body, length, listening))
    return {item for item in found if not item.is_local}


def _connection(
    protocol: Protocol, body: memoryview, length: int, listening: Collection[tuple[Protocol, int]]
) -> Connection:
    own_port, other_port, own, other = ENDS.unpack_from(body)
    here = address_text(own[:length]), int.from_bytes(own_port, "big")
    there = address_text(other[:length]), int.from_bytes(other_port, "big")
    begins, ends = (there, here) if (protocol, here[1]) in listening else (here, there)
    return Connection(protocol, *begins, *ends)


def address_text(packed: bytes) -> str:
    """Return an address as text, one of IPv4 in IPv6 (::ffff:0:0/96) as IPv4."""
    address = ip_address(packed)
    return str(getattr(address, "ipv4_mapped", None) or address)
