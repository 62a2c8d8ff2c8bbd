"""What is read back from the wire, and the kernel's filters that let nothing else through.

Rule: a raw socket hears everything that its namespace receives. The filters are part of the kernel,
so that traffic which is not ours costs nothing and is never read.

Layouts: RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP), RFC 792 (ICMP), RFC 4443 (ICMPv6).
"""

from __future__ import annotations

import ctypes
import struct
from typing import Final, NamedTuple

from cloison.probe.packets import ACK, ECHO_REQUEST, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, RST, SYN

UNREACHABLE: Final = {4: 3, 6: 1}
"""ICMP type, by the version of IP."""
ECHO_REPLY: Final = {4: 0, 6: 129}
ICMP_HEADER: Final = 8
IP_HEADER: Final = {4: 20, 6: 40}
"""Bytes, without options or extension headers."""
NUMBER_AT: Final = {IPPROTO_TCP: 4, IPPROTO_UDP: 12, IPPROTO_ICMP: 12, IPPROTO_ICMPV6: 12}
"""Where a probe keeps its number, by protocol."""

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


class Answer(NamedTuple):
    """A SYN-ACK, a RST or an echo reply: `number` is the probe's own."""

    number: int
    accepted: bool


class Arrival(NamedTuple):
    """A probe, seen where it ends."""

    number: int


class Rejection(NamedTuple):
    """An ICMP destination unreachable about a probe."""

    number: int
    reason: str


Message = Answer | Arrival | Rejection


def read_tcp(version: int, packet: bytes) -> Message | None:
    """Read what a raw TCP socket received and its filter let through."""
    start = _start(version, packet)
    sequence, acknowledged = struct.unpack_from("!II", packet, start + 4)
    flags = packet[start + 13] & (SYN | RST | ACK)
    if flags == SYN:
        return Arrival(sequence)
    if flags in (SYN | ACK, RST | ACK):
        return Answer((acknowledged - 1) & 0xFFFFFFFF, accepted=bool(flags & SYN))
    return None


def read_udp(version: int, packet: bytes) -> Message | None:
    """Read what a raw UDP socket received and its filter let through."""
    number = _number(packet, _start(version, packet), IPPROTO_UDP)
    return None if number is None else Arrival(number)


def read_icmp(version: int, packet: bytes) -> Message | None:
    """Read what a raw ICMP socket received and its filter let through."""
    start = _start(version, packet)
    if len(packet) < start + ICMP_HEADER:
        return None  # a raw socket gets ICMP before the kernel has looked at its length
    kind = packet[start]
    if kind == UNREACHABLE[version]:
        return _rejection(version, packet[start + 1], packet[start + ICMP_HEADER :])
    number = _number(packet, start, IPPROTO_ICMP)
    if number is None:
        return None
    return Arrival(number) if kind == ECHO_REQUEST[version] else Answer(number, accepted=kind == ECHO_REPLY[version])


def _rejection(version: int, code: int, quoted: bytes) -> Rejection | None:
    """Read the packet that an unreachable quotes: at least its first eight bytes after the IP header."""
    if len(quoted) < IP_HEADER[version]:
        return None
    protocol = quoted[9] if version == 4 else quoted[6]  # noqa: PLR2004  # of IP
    start = (quoted[0] & 0x0F) * 4 if version == 4 else IP_HEADER[6]  # noqa: PLR2004  # of IP
    number = _number(quoted, start, protocol)
    reason = UNREACHABLE_CODES[version].get(code, f"unreachable, code {code}")
    return None if number is None else Rejection(number, reason)


def _number(packet: bytes, start: int, protocol: int) -> int | None:
    at = NUMBER_AT.get(protocol)
    if at is None or len(packet) < start + at + 4:
        return None
    number: int = struct.unpack_from("!I", packet, start + at)[0]
    return number


def _start(version: int, packet: bytes) -> int:
    """Return where the transport's header begins: a raw socket hands over IPv4's own header, and not IPv6's."""
    return (packet[0] & 0x0F) * 4 if version == 4 else 0  # noqa: PLR2004  # of IP


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


Filter = tuple[bytes, object]
"""A `sock_fprog` for SO_ATTACH_FILTER, and the owner of its instructions, which must live until it is attached."""
X_IS_IP_HEADER, X_IS, BYTE, HALF, WORD, AND, JUMP_EQUAL, RETURN = 0xB1, 0x01, 0x50, 0x48, 0x40, 0x54, 0x15, 0x06
"""Classic BPF: https://docs.kernel.org/networking/filter.html"""
ALL, NOTHING = 0xFFFF, 0


def tcp_filter(version: int, port: int, token: int) -> Filter:
    """Return the filter that passes probes of this run and answers to `port`."""
    answers, probes, keep, drop = 6, 8, 10, 11
    return _program(
        _x(version),
        _Instruction(BYTE, 0, 0, 13),
        _Instruction(AND, 0, 0, SYN | RST | ACK),
        _jump(3, SYN, probes, 4),
        _jump(4, SYN | ACK, answers, 5),
        _jump(5, RST | ACK, answers, drop),
        _Instruction(HALF, 0, 0, 2),
        _jump(7, port, keep, drop),
        _Instruction(HALF, 0, 0, 14),
        _jump(9, token & 0xFFFF, keep, drop),
        _Instruction(RETURN, 0, 0, ALL),
        _Instruction(RETURN, 0, 0, NOTHING),
    )


def udp_filter(version: int, token: int) -> Filter:
    """Return the filter that passes datagrams of this run."""
    keep, drop = 3, 4
    return _program(
        _x(version),
        _Instruction(WORD, 0, 0, 8),
        _jump(2, token, keep, drop),
        _Instruction(RETURN, 0, 0, ALL),
        _Instruction(RETURN, 0, 0, NOTHING),
    )


def icmp_filter(version: int, token: int) -> Filter:
    """Return the filter that passes every unreachable, and the echoes of this run."""
    keep, drop = 5, 6
    return _program(
        _x(version),
        _Instruction(BYTE, 0, 0, 0),
        _jump(2, UNREACHABLE[version], keep, 3),
        _Instruction(WORD, 0, 0, 8),
        _jump(4, token, keep, drop),
        _Instruction(RETURN, 0, 0, ALL),
        _Instruction(RETURN, 0, 0, NOTHING),
    )


def _x(version: int) -> _Instruction:
    """Let X be the length of the IP header that stands before what is looked at."""
    return _Instruction(X_IS_IP_HEADER if version == 4 else X_IS, 0, 0, 0)  # noqa: PLR2004  # of IP


def _jump(here: int, value: int, yes: int, no: int) -> _Instruction:
    return _Instruction(JUMP_EQUAL, yes - here - 1, no - here - 1, value)


def _program(*instructions: _Instruction) -> Filter:
    program = (_Instruction * len(instructions))(*instructions)
    return bytes(_Program(len(program), program)), program
