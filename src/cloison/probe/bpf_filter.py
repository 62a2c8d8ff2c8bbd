"""Classic BPF programs for raw sockets: the kernel passes packets of this run and drops everything else.

A raw socket receives every packet of its protocol in its network namespace. A filter is attached with
setsockopt(SO_ATTACH_FILTER) and a `struct sock_fprog`, so traffic that is not the prober's is never copied
to user space. Each instruction is a `struct sock_filter`: an operation code, two jump offsets, a constant.

Rule: offsets are those of the transport header; X holds the length of the IP header before it (IPv4), or 0,
because a raw IPv6 socket hands over no IP header.
The programs below are written in the assembler of bpf_asm: `ldb [x + k]` loads the byte at X + k into A, and
`jeq #k, L1, L2` jumps to the instruction number L1 if A == k, else to L2.
Source: https://docs.kernel.org/networking/filter.html, linux/filter.h, linux/bpf_common.h.
"""

from __future__ import annotations

import ctypes
from typing import Final

from cloison.probe.packets import ACK, RST, SYN
from cloison.probe.parse import UNREACHABLE


class _SockFilter(ctypes.Structure):
    """struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; } of linux/filter.h: one instruction."""

    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _SockFprog(ctypes.Structure):
    """struct sock_fprog { unsigned short len; struct sock_filter *filter; } of linux/filter.h: a program."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_SockFilter)))


Filter = tuple[bytes, object]
"""A `sock_fprog` for SO_ATTACH_FILTER, and the owner of its instructions, which must live until it is attached."""
BPF_LDX_B_MSH: Final = 0xB1
"""BPF_LDX | BPF_B | BPF_MSH: X = 4 * (packet[k] & 0xf), the length of an IPv4 header."""
BPF_LDX_IMM: Final = 0x01
"""BPF_LDX | BPF_IMM: X = k."""
BPF_LD_B_IND: Final = 0x50
"""BPF_LD | BPF_B | BPF_IND: A = the byte at X + k."""
BPF_LD_H_IND: Final = 0x48
"""BPF_LD | BPF_H | BPF_IND: A = the 16-bit word at X + k."""
BPF_LD_W_IND: Final = 0x40
"""BPF_LD | BPF_W | BPF_IND: A = the 32-bit word at X + k."""
BPF_AND_K: Final = 0x54
"""BPF_ALU | BPF_AND | BPF_K: A = A & k."""
BPF_JEQ_K: Final = 0x15
"""BPF_JMP | BPF_JEQ | BPF_K: skip jt instructions if A == k, else jf."""
BPF_RET_K: Final = 0x06
"""BPF_RET | BPF_K: pass the first k bytes of the packet; 0 drops it."""
ACCEPT_PACKET, DROP_PACKET = 0xFFFF, 0


def tcp_filter(version: int, port: int, token: int) -> Filter:
    """Return the filter that passes TCP probes of this run, and answers (SYN-ACK, RST-ACK) to `port`.

     0: ldxb 4*([0]&0xf)              IPv6: ldx #0
     1: ldb  [x + 13]                 flags
     2: and  #0x16                    SYN | RST | ACK
     3: jeq  #0x02, 8, 4              SYN: a probe
     4: jeq  #0x12, 6, 5              SYN | ACK: an answer
     5: jeq  #0x14, 6, 11             RST | ACK: an answer
     6: ldh  [x + 2]                  destination port
     7: jeq  #port, 10, 11
     8: ldh  [x + 14]                 window
     9: jeq  #(token & 0xffff), 10, 11
    10: ret  #0xffff                  pass
    11: ret  #0                       drop
    """
    answers, probes, accept, drop = 6, 8, 10, 11
    return _fprog(
        _load_header_length(version),
        _SockFilter(BPF_LD_B_IND, 0, 0, 13),
        _SockFilter(BPF_AND_K, 0, 0, SYN | RST | ACK),
        _jump(3, SYN, probes, 4),
        _jump(4, SYN | ACK, answers, 5),
        _jump(5, RST | ACK, answers, drop),
        _SockFilter(BPF_LD_H_IND, 0, 0, 2),
        _jump(7, port, accept, drop),
        _SockFilter(BPF_LD_H_IND, 0, 0, 14),
        _jump(9, token & 0xFFFF, accept, drop),
        _SockFilter(BPF_RET_K, 0, 0, ACCEPT_PACKET),
        _SockFilter(BPF_RET_K, 0, 0, DROP_PACKET),
    )


def udp_filter(version: int, token: int) -> Filter:
    """Return the filter that passes UDP datagrams of this run.

    0: ldxb 4*([0]&0xf)              IPv6: ldx #0
    1: ld   [x + 8]                  the first four bytes of the payload
    2: jeq  #token, 3, 4
    3: ret  #0xffff                  pass
    4: ret  #0                       drop
    """
    accept, drop = 3, 4
    return _fprog(
        _load_header_length(version),
        _SockFilter(BPF_LD_W_IND, 0, 0, 8),
        _jump(2, token, accept, drop),
        _SockFilter(BPF_RET_K, 0, 0, ACCEPT_PACKET),
        _SockFilter(BPF_RET_K, 0, 0, DROP_PACKET),
    )


def icmp_filter(version: int, token: int) -> Filter:
    """Return the filter that passes every ICMP destination unreachable, and the echoes of this run.

    0: ldxb 4*([0]&0xf)              IPv6: ldx #0
    1: ldb  [x + 0]                  type
    2: jeq  #3, 5, 3                 ICMP_DEST_UNREACH; IPv6: #1, ICMPV6_DEST_UNREACH
    3: ld   [x + 8]                  the first four bytes of an echo's payload
    4: jeq  #token, 5, 6
    5: ret  #0xffff                  pass
    6: ret  #0                       drop
    """
    accept, drop = 5, 6
    return _fprog(
        _load_header_length(version),
        _SockFilter(BPF_LD_B_IND, 0, 0, 0),
        _jump(2, UNREACHABLE[version], accept, 3),
        _SockFilter(BPF_LD_W_IND, 0, 0, 8),
        _jump(4, token, accept, drop),
        _SockFilter(BPF_RET_K, 0, 0, ACCEPT_PACKET),
        _SockFilter(BPF_RET_K, 0, 0, DROP_PACKET),
    )


def _load_header_length(version: int) -> _SockFilter:
    """Return the instruction that loads the length of the IP header into X: 0 for IPv6."""
    return _SockFilter(BPF_LDX_B_MSH if version == 4 else BPF_LDX_IMM, 0, 0, 0)  # noqa: PLR2004  # of IP


def _jump(here: int, value: int, yes: int, no: int) -> _SockFilter:
    """Return `jeq` at instruction `here`; jt and jf count from the instruction after it."""
    return _SockFilter(BPF_JEQ_K, yes - here - 1, no - here - 1, value)


def _fprog(*instructions: _SockFilter) -> Filter:
    program = (_SockFilter * len(instructions))(*instructions)
    return bytes(_SockFprog(len(program), program)), program
