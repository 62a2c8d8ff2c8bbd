"""Packets have the layouts of the RFCs, and a checksum that an independent sum confirms."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloison.probe import packets

WORD = st.integers(0, 0xFFFF)
NUMBER = st.integers(0, 0xFFFFFFFF)
V4 = NUMBER.map(lambda number: str(IPv4Address(number)))
V6 = st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number)))
ADDRESSES = st.tuples(V4, V4) | st.tuples(V6, V6)
PORTS = st.tuples(WORD, WORD)


def is_sound(data: bytes) -> bool:
    """Whether the Internet checksum is valid: in one's complement all words add up to 0xFFFF.

    As a number, that is a multiple of it.
    """
    return int.from_bytes(data) % 0xFFFF == 0


@given(ADDRESSES, PORTS, NUMBER, NUMBER)
@example(("255.255.255.255", "255.255.255.254"), (24834, 3306), 1245118862, 56952)  # its carry has a carry
@example(("ffff:" * 7 + "ffff", "ffff:" * 7 + "ffff"), (0xFFFF, 0xFFFF), 0xFFFFFFFF, 0xFFFF)
def test_the_checksum_of_a_syn_is_the_one_of_rfc_9293_over_both_versions_of_ip(
    addresses: tuple[str, str], ports: tuple[int, int], sequence: int, token: int
) -> None:
    sent = packets.syn(ports, sequence, token, packets.pseudo_sum(*addresses))

    packed = b"".join(ip_address(address).packed for address in addresses)
    # The pseudo-headers of RFC 9293 and of RFC 8200: a length and a protocol number, each padded to its width.
    tail = struct.pack("!BBH", 0, 6, len(sent)) if len(packed) == 8 else struct.pack("!IHBB", len(sent), 0, 0, 6)
    assert is_sound(packed + tail + sent)


def test_the_checksum_is_not_zero_by_accident() -> None:
    pseudo = packets.pseudo_sum("192.0.2.1", "192.0.2.2")
    first, second = (packets.syn((1, 2), number, 3, pseudo)[16:18] for number in (4, 5))

    assert first != second


def test_a_syn_carries_its_ports_its_number_its_token_and_a_segment_size() -> None:
    sent = packets.syn((40000, 3306), 0xDEADBEEF, 0xFACEC0DE, packets.pseudo_sum("192.0.2.1", "192.0.2.2"))

    assert (40000, 3306, 0xDEADBEEF, 0) == struct.unpack("!HHII", sent[:12])
    assert (6 << 4, packets.SYN, 0xC0DE) == struct.unpack("!BBH", sent[12:16])
    assert (0, b"\x02\x04\x05\xb4") == (int.from_bytes(sent[18:20]), sent[20:])


def test_a_datagram_carries_the_token_and_its_number() -> None:
    assert bytes.fromhex("facec0dedeadbeef") == packets.payload(0xDEADBEEF, 0xFACEC0DE)


@pytest.mark.parametrize(("version", "kind"), [(4, 8), (6, 128)])
def test_an_echo_request_has_the_type_of_its_version_and_carries_what_a_datagram_does(version: int, kind: int) -> None:
    sent = packets.echo_request(version, 0xDEADBEEF, 0xFACEC0DE)

    assert (kind, 0) == (sent[0], sent[1])
    assert (bytes(4), packets.payload(0xDEADBEEF, 0xFACEC0DE)) == (sent[4:8], sent[8:])


@given(NUMBER, NUMBER)
def test_an_echo_request_has_the_checksum_of_rfc_792_and_over_ipv6_leaves_it_to_the_kernel(
    number: int, token: int
) -> None:
    assert is_sound(packets.echo_request(4, number, token))
    assert bytes(2) == packets.echo_request(6, number, token)[2:4]
