"""Entries of connection tracking and of the socket tables, decoded from the kernel's bytes."""

from __future__ import annotations

import socket
import struct

import pytest

from cloison.linux import conntrack
from cloison.linux.connections import ENDS, Connection, address_text
from cloison.linux.netlink import attribute
from cloison.model.flow import Protocol


def tuple_of(source: str, target: str, ports: tuple[int, int], number: int = socket.IPPROTO_TCP) -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    kinds = (3, 4) if ":" in source else (1, 2)
    addresses = b"".join(
        attribute(k, socket.inet_pton(family, a)) for k, a in zip(kinds, (source, target), strict=True)
    )
    port_parts = b"".join(attribute(k, struct.pack(">H", p)) + b"\0\0" for k, p in zip((2, 3), ports, strict=True))
    return attribute(1, addresses) + attribute(2, _number(number) + port_parts)


def _number(number: int) -> bytes:
    return struct.pack("=HH", 5, 1) + bytes([number]) + b"\0" * 3


def entry(original: bytes, reply: bytes, status: int = conntrack.IPS_ASSURED) -> memoryview:
    parts = [conntrack.NFGENMSG.pack(socket.AF_INET, 0, 0), attribute(1, original), attribute(2, reply)]
    return memoryview(b"".join([*parts, attribute(3, struct.pack(">I", status))]))


FORTH = tuple_of("203.0.113.7", "192.0.2.1", (40000, 8080))
BACK = tuple_of("172.18.0.2", "203.0.113.7", (80, 40000))


def test_an_answered_entry_ends_where_its_reply_comes_from() -> None:
    expected = Connection(Protocol.TCP, "203.0.113.7", 40000, "172.18.0.2", 80)

    assert [expected] == [*conntrack.answered(entry(FORTH, BACK))]


@pytest.mark.parametrize(
    "body",
    [
        entry(FORTH, BACK, status=0),
        entry(FORTH, BACK, status=conntrack.IPS_SEEN_REPLY),
        entry(tuple_of("127.0.0.1", "127.0.0.1", (1, 2)), tuple_of("127.0.0.1", "127.0.0.1", (2, 1))),
        entry(tuple_of("203.0.113.7", "192.0.2.1", (1, 2), socket.IPPROTO_ICMP), BACK),
        memoryview(conntrack.NFGENMSG.pack(2, 0, 0) + attribute(3, struct.pack(">I", 2))),
    ],
)
def test_an_entry_without_an_answer_or_without_ports_or_on_loopback_is_none(body: memoryview) -> None:
    assert [] == [*conntrack.answered(body)]


def test_an_entry_has_its_bytes_in_both_directions_where_the_kernel_counts_them() -> None:
    counters = [
        attribute(kind, attribute(1, struct.pack(">Q", 3)) + attribute(2, struct.pack(">Q", 700))) for kind in (9, 10)
    ]

    assert None is conntrack.volume(entry(FORTH, BACK))
    assert 1400 == conntrack.volume(memoryview(bytes(entry(FORTH, BACK)) + b"".join(counters)))


def test_an_answer_is_enough_over_udp() -> None:
    ends = ("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")
    forth, back = (tuple_of(*pair, (53, 53), socket.IPPROTO_UDP) for pair in ends)

    assert [Protocol.UDP] == [c.protocol for c in conntrack.answered(entry(forth, back, conntrack.IPS_SEEN_REPLY))]


def test_an_address_of_ipv4_in_ipv6_is_one_of_ipv4() -> None:
    assert "192.0.2.1" == address_text(socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1"))
    assert "fd00::1" == address_text(socket.inet_pton(socket.AF_INET6, "fd00::1"))


def test_the_ends_of_a_socket_follow_four_bytes() -> None:
    message = (
        b"\x02\x01\0\0"
        + struct.pack(">HH", 5432, 40000)
        + b"\x0a\0\0\3".ljust(16, b"\0")
        + b"\x0a\0\0\2".ljust(16, b"\0")
    )

    assert (b"\x15\x38", b"\x9c\x40") == ENDS.unpack_from(message)[:2]
