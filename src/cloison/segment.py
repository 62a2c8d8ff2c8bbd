"""TCP segments of a half-open probe: what is written on the wire, and what is read back from it.

A probe is a bare SYN. Its 32-bit sequence number names the flow, and no address translation on the
way changes it, so the same number is recognised in the answer (`ack - 1`) and inside the namespace
where the SYN arrives. Its window carries the run's token, so that the kernel itself drops all other
traffic before it reaches us.

Layouts: RFC 9293 section 3.1 (TCP), RFC 791 (IPv4), RFC 792 (ICMP).
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10
IPPROTO_TCP: Final = 6
DATA_OFFSET: Final = 6 << 4  # six words: the header and one option
MSS: Final = b"\x02\x04\x05\xb4"  # 1460 bytes; some stacks mistrust a SYN without it
UNREACHABLE: Final = 3  # ICMP type
ICMP_HEADER: Final = 8
IP_HEADER: Final = 20  # without options

UNREACHABLE_CODES: Final = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    9: "network prohibited",
    10: "host prohibited",
    13: "administratively prohibited",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A SYN-ACK or RST: `sequence` is the probe's own number."""

    sequence: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A probe's SYN, seen where it ends."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """An ICMP destination unreachable about a probe."""

    sequence: int
    reason: str


def syn(source: tuple[str, int], target: tuple[str, int], sequence: int, token: int) -> bytes:
    """Return the TCP segment of a probe from one (address, port) to another, checksum included, without IP header."""
    head = struct.pack("!HHIIBBHHH", source[1], target[1], sequence, 0, DATA_OFFSET, SYN, token, 0, 0) + MSS
    pseudo = IPv4Address(source[0]).packed + IPv4Address(target[0]).packed + struct.pack("!HH", IPPROTO_TCP, len(head))
    return head[:16] + struct.pack("!H", _checksum(pseudo + head)) + head[18:]


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def read_tcp(packet: bytes) -> Answer | Arrival | None:
    """Read an IPv4 packet that a raw TCP socket received and `only_ours` let through."""
    start = (packet[0] & 0x0F) * 4
    sequence, acknowledged = struct.unpack_from("!II", packet, start + 4)
    flags = packet[start + 13] & (SYN | RST | ACK)
    if flags == SYN:
        return Arrival(sequence)
    if flags in (SYN | ACK, RST | ACK):
        return Answer((acknowledged - 1) & 0xFFFFFFFF, accepted=bool(flags & SYN))
    return None


def read_icmp(packet: bytes) -> Rejection | None:
    """Read an IPv4 packet that a raw ICMP socket received: an unreachable quotes the probe's first eight bytes."""
    start = (packet[0] & 0x0F) * 4
    quoted = start + ICMP_HEADER
    if len(packet) < quoted + IP_HEADER:
        return None  # a raw socket gets ICMP before the kernel has looked at its length
    if packet[start] != UNREACHABLE or packet[quoted + 9] != IPPROTO_TCP:
        return None
    tcp = quoted + (packet[quoted] & 0x0F) * 4
    if len(packet) < tcp + 8:
        return None
    (sequence,) = struct.unpack_from("!I", packet, tcp + 4)
    code = packet[start + 1]
    return Rejection(sequence, UNREACHABLE_CODES.get(code, f"unreachable, code {code}"))


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


LDX_IP_HEADER, LD_BYTE, LD_HALF, AND, JUMP_EQUAL, RETURN = 0xB1, 0x50, 0x48, 0x54, 0x15, 0x06


def only_ours(port: int, token: int) -> tuple[bytes, object]:
    """Return the `sock_fprog` for SO_ATTACH_FILTER that passes probes of this run and answers to `port`.

    The second value owns the instructions and must live until the filter is attached.
    Classic BPF: https://docs.kernel.org/networking/filter.html
    """
    answers, probes, keep, drop = 6, 8, 10, 11

    def jump(here: int, value: int, yes: int, no: int) -> _Instruction:
        return _Instruction(JUMP_EQUAL, yes - here - 1, no - here - 1, value)

    program = (_Instruction * 12)(
        _Instruction(LDX_IP_HEADER, 0, 0, 0),
        _Instruction(LD_BYTE | 0, 0, 0, 13),
        _Instruction(AND, 0, 0, SYN | RST | ACK),
        jump(3, SYN, probes, 4),
        jump(4, SYN | ACK, answers, 5),
        jump(5, RST | ACK, answers, drop),
        _Instruction(LD_HALF, 0, 0, 2),
        jump(7, port, keep, drop),
        _Instruction(LD_HALF, 0, 0, 14),
        jump(9, token, keep, drop),
        _Instruction(RETURN, 0, 0, 0xFFFF),
        _Instruction(RETURN, 0, 0, 0),
    )
    return bytes(_Program(len(program), program)), program
