"""Parses packets that raw sockets received: replies to probes, arrivals of probes, ICMP errors about them.

Input: the IP version and the bytes that `recvmmsg` wrote (with the IP header over IPv4, without it over IPv6).
Output: a `Message` with the number of its probe, or None for a packet that is not about a probe.
Rule: only packets that `bpf_filter` passed get here; nothing is taken from one that is too short.
Layouts: RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP), RFC 792 (ICMP), RFC 4443 (ICMPv6).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from cloison.probe.packets import ACK, ECHO_REQUEST, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, RST, SYN

UNREACHABLE: Final = {4: 3, 6: 1}
"""The ICMP type by IP version: ICMP_DEST_UNREACH, ICMPV6_DEST_UNREACH."""
ECHO_REPLY: Final = {4: 0, 6: 129}
"""ICMP_ECHOREPLY, ICMPV6_ECHO_REPLY."""
ICMP_HEADER: Final = 8
IP_HEADER: Final = {4: 20, 6: 40}
"""Bytes, without options or extension headers."""
SOURCE_ADDRESS: Final = slice(12, 16)
"""The source address in the IPv4 header (RFC 791 section 3.1)."""
PROBE_ID_OFFSET: Final = {IPPROTO_TCP: 4, IPPROTO_UDP: 12, IPPROTO_ICMP: 12, IPPROTO_ICMPV6: 12}
"""The offset of a probe's number from the transport header, by protocol."""

UNREACHABLE_CODES: Final = {
    4: {
        0: "network unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        9: "network prohibited",
        10: "host prohibited",
        13: "administratively prohibited",
    },
    6: {
        0: "no route to destination",
        1: "administratively prohibited",
        2: "beyond the scope of the source address",
        3: "address unreachable",
        4: "port unreachable",
        5: "source address refused by a policy",
        6: "route rejected",
    },
}


class Reply(NamedTuple):
    """A SYN-ACK (`accepted`), a RST-ACK or an echo reply to a probe."""

    probe_id: int
    accepted: bool


class Arrival(NamedTuple):
    """A probe that a raw socket in the destination's namespace received; `source` is its IPv4 source address."""

    probe_id: int
    source: bytes = b""


class IcmpUnreachable(NamedTuple):
    """An ICMP destination unreachable about a probe."""

    probe_id: int
    reason: str


Message = Reply | Arrival | IcmpUnreachable


def read_tcp(version: int, packet: bytes) -> Message | None:
    """Parse a packet from a raw TCP socket, which its filter has passed.

    The RST-ACK that closes a refused connection and a SYN-ACK acknowledge the sequence number of the probe plus one.
    """
    start = _transport_offset(version, packet)
    sequence, acknowledged = struct.unpack_from("!II", packet, start + 4)
    flags = packet[start + 13] & (SYN | RST | ACK)
    if flags == SYN:
        return Arrival(sequence, _source(version, packet))
    if flags in (SYN | ACK, RST | ACK):
        return Reply((acknowledged - 1) & 0xFFFFFFFF, accepted=bool(flags & SYN))
    return None


def read_udp(version: int, packet: bytes) -> Message | None:
    """Parse a packet from a raw UDP socket, which its filter has passed."""
    probe_id = _probe_id(packet, _transport_offset(version, packet), IPPROTO_UDP)
    return None if probe_id is None else Arrival(probe_id, _source(version, packet))


def read_icmp(version: int, packet: bytes) -> Message | None:
    """Parse a packet from a raw ICMP socket, which its filter has passed."""
    start = _transport_offset(version, packet)
    if len(packet) < start + ICMP_HEADER:
        return None  # the kernel delivers ICMP to raw sockets before it checks the length
    kind = packet[start]
    if kind == UNREACHABLE[version]:
        return _unreachable(version, packet[start + 1], packet[start + ICMP_HEADER :])
    probe_id = _probe_id(packet, start, IPPROTO_ICMP)
    if probe_id is None:
        return None
    return Arrival(probe_id) if kind == ECHO_REQUEST[version] else Reply(probe_id, accepted=kind == ECHO_REPLY[version])


def _unreachable(version: int, code: int, quoted: bytes) -> IcmpUnreachable | None:
    """Parse the packet that an ICMP error quotes: its IP header and at least eight bytes after it (RFC 792)."""
    if len(quoted) < IP_HEADER[version]:
        return None
    protocol = quoted[9] if version == 4 else quoted[6]  # noqa: PLR2004  # of IP
    start = (quoted[0] & 0x0F) * 4 if version == 4 else IP_HEADER[6]  # noqa: PLR2004  # of IP
    probe_id = _probe_id(quoted, start, protocol)
    reason = UNREACHABLE_CODES[version].get(code, f"unreachable, code {code}")
    return None if probe_id is None else IcmpUnreachable(probe_id, reason)


def _probe_id(packet: bytes, start: int, protocol: int) -> int | None:
    at = PROBE_ID_OFFSET.get(protocol)
    if at is None or len(packet) < start + at + 4:
        return None
    probe_id: int = struct.unpack_from("!I", packet, start + at)[0]
    return probe_id


def _source(version: int, packet: bytes) -> bytes:
    """Return the source address, which a raw socket delivers with the IPv4 header only."""
    return packet[SOURCE_ADDRESS] if version == 4 else b""  # noqa: PLR2004  # of IP


def _transport_offset(version: int, packet: bytes) -> int:
    """Return the offset of the transport header: a raw socket delivers the IPv4 header, and no IPv6 header."""
    return (packet[0] & 0x0F) * 4 if version == 4 else 0  # noqa: PLR2004  # of IP
