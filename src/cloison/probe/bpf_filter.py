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

from cloison.probe.packets import ACK, IPPROTO_TCP, RST, SYN
from cloison.probe.parse import IP_HEADER, UNREACHABLE


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
BPF_LSH_K: Final = 0x64
"""BPF_ALU | BPF_LSH | BPF_K: A = A << k."""
BPF_ADD_X: Final = 0x0C
"""BPF_ALU | BPF_ADD | BPF_X: A = A + X."""
BPF_TAX: Final = 0x07
"""BPF_MISC | BPF_TAX: X = A."""
BPF_ST: Final = 0x02
"""BPF_ST: M[k] = A."""
BPF_LD_MEM: Final = 0x60
"""BPF_LD | BPF_MEM: A = M[k]."""
BPF_JEQ_K: Final = 0x15
"""BPF_JMP | BPF_JEQ | BPF_K: skip jt instructions if A == k, else jf."""
BPF_RET_K: Final = 0x06
"""BPF_RET | BPF_K: pass the first k bytes of the packet; 0 drops it."""
ACCEPT_PACKET, DROP_PACKET = 0xFFFF, 0
QUOTED_PROTOCOL: Final = {4: 8 + 9, 6: 8 + 6}
"""The offset of the protocol of a quoted packet from the ICMP header, by the version of IP."""


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


def icmp_filter(version: int, port: int, token: int) -> Filter:
    """Return the filter that passes the echoes of this run, and destination unreachables that quote one of its probes.

    An unreachable quotes the packet that it is about, from its IP header on (RFC 792, RFC 4443): a probe over TCP has
    the source port `port`, another one the token in its payload.

     0: ldxb 4*([0]&0xf)              IPv6: ldx #0
     1: ldb  [x + 0]                  type
     2: jeq  #3, 5, 3                 ICMP_DEST_UNREACH; IPv6: #1, ICMPV6_DEST_UNREACH
     3: ld   [x + 8]                  the first four bytes of an echo's payload
     4: jeq  #token, 18, 19
     5: ldb  [x + 17]                 the protocol of the quoted packet; IPv6: ldb [x + 14]
     6: st   M[0]
     7: ldb  [x + 8]                  the length of the quoted header; IPv6: ldx #40 instead of 7 to 11
     8: and  #0xf
     9: lsh  #2
    10: add  x
    11: tax
    12: ld   M[0]
    13: jeq  #6, 14, 16               IPPROTO_TCP
    14: ldh  [x + 8]                  source port
    15: jeq  #port, 18, 19
    16: ld   [x + 16]                 the first four bytes of the payload of a datagram or an echo
    17: jeq  #token, 18, 19
    18: ret  #0xffff                  pass
    19: ret  #0                       drop
    """
    skip_header = _skip_quoted_header(version)
    is_tcp = 8 + len(skip_header)
    accept, drop = is_tcp + 5, is_tcp + 6
    return _fprog(
        _load_header_length(version),
        _SockFilter(BPF_LD_B_IND, 0, 0, 0),
        _jump(2, UNREACHABLE[version], 5, 3),
        _SockFilter(BPF_LD_W_IND, 0, 0, 8),
        _jump(4, token, accept, drop),
        _SockFilter(BPF_LD_B_IND, 0, 0, QUOTED_PROTOCOL[version]),
        _SockFilter(BPF_ST, 0, 0, 0),
        *skip_header,
        _SockFilter(BPF_LD_MEM, 0, 0, 0),
        _jump(is_tcp, IPPROTO_TCP, is_tcp + 1, is_tcp + 3),
        _SockFilter(BPF_LD_H_IND, 0, 0, 8),
        _jump(is_tcp + 2, port, accept, drop),
        _SockFilter(BPF_LD_W_IND, 0, 0, 16),
        _jump(is_tcp + 4, token, accept, drop),
        _SockFilter(BPF_RET_K, 0, 0, ACCEPT_PACKET),
        _SockFilter(BPF_RET_K, 0, 0, DROP_PACKET),
    )


def syn_filter(version: int, window: int) -> Filter:
    """Return the filter that passes SYNs with a window, to any port.

    0: ldxb 4*([0]&0xf)              IPv6: ldx #0
    1: ldb  [x + 13]                 flags
    2: jeq  #0x02, 3, 6              SYN
    3: ldh  [x + 14]                 window
    4: jeq  #window, 5, 6
    5: ret  #0xffff                  pass
    6: ret  #0                       drop
    """
    accept, drop = 5, 6
    return _fprog(
        _load_header_length(version),
        _SockFilter(BPF_LD_B_IND, 0, 0, 13),
        _jump(2, SYN, 3, drop),
        _SockFilter(BPF_LD_H_IND, 0, 0, 14),
        _jump(4, window, accept, drop),
        _SockFilter(BPF_RET_K, 0, 0, ACCEPT_PACKET),
        _SockFilter(BPF_RET_K, 0, 0, DROP_PACKET),
    )


def port_filter(version: int, port: int) -> Filter:
    """Return the filter that passes packets to a port of TCP or UDP.

    0: ldxb 4*([0]&0xf)              IPv6: ldx #0
    1: ldh  [x + 2]                  destination port
    2: jeq  #port, 3, 4
    3: ret  #0xffff                  pass
    4: ret  #0                       drop
    """
    accept, drop = 3, 4
    return _fprog(
        _load_header_length(version),
        _SockFilter(BPF_LD_H_IND, 0, 0, 2),
        _jump(2, port, accept, drop),
        _SockFilter(BPF_RET_K, 0, 0, ACCEPT_PACKET),
        _SockFilter(BPF_RET_K, 0, 0, DROP_PACKET),
    )


def _skip_quoted_header(version: int) -> list[_SockFilter]:
    """Return the instructions that add the length of a quoted IP header to X."""
    if version == 6:  # noqa: PLR2004  # of IP
        return [_SockFilter(BPF_LDX_IMM, 0, 0, IP_HEADER[6])]
    return [
        _SockFilter(BPF_LD_B_IND, 0, 0, 8),
        _SockFilter(BPF_AND_K, 0, 0, 0x0F),
        _SockFilter(BPF_LSH_K, 0, 0, 2),
        _SockFilter(BPF_ADD_X, 0, 0, 0),
        _SockFilter(BPF_TAX, 0, 0, 0),
    ]


def _load_header_length(version: int) -> _SockFilter:
    """Return the instruction that loads the length of the IP header into X: 0 for IPv6."""
    return _SockFilter(BPF_LDX_B_MSH if version == 4 else BPF_LDX_IMM, 0, 0, 0)  # noqa: PLR2004  # of IP


def _jump(here: int, value: int, yes: int, no: int) -> _SockFilter:
    """Return `jeq` at instruction `here`; jt and jf count from the instruction after it."""
    return _SockFilter(BPF_JEQ_K, yes - here - 1, no - here - 1, value)


def _fprog(*instructions: _SockFilter) -> Filter:
    program = (_SockFilter * len(instructions))(*instructions)
    return bytes(_SockFprog(len(program), program)), program
