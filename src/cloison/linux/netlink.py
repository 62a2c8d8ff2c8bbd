"""Encodes and decodes netlink messages: requests for interfaces, addresses, routes, neighbors and sockets.

A proof sends such requests in a hundred namespaces, and pyroute2 needs as long to decode one message as the prober
to send ten probes. Single requests and all writes go through pyroute2: see `linux.pyroute`.

    struct nlmsghdr {                       struct nlattr {
        __u32 nlmsg_len;                        __u16 nla_len;
        __u16 nlmsg_type;                       __u16 nla_type;
        __u16 nlmsg_flags;  /* NLM_F_* */   };  /* then the payload, padded to 4 bytes */
        __u32 nlmsg_seq;
        __u32 nlmsg_pid;
    };  /* then a family header, such as struct rtmsg, then attributes */

Rule: lengths are aligned with NLMSG_ALIGN and NLA_ALIGN (4 bytes); numbers are in the processor's byte order.
Source: https://man7.org/linux/man-pages/man7/netlink.7.html, linux/netlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

NLMSGHDR: Final = struct.Struct("=IHHII")
NLATTR: Final = struct.Struct("=HH")
NLA_TYPE_MASK: Final = 0x3FFF
"""NLA_TYPE_MASK: nla_type without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER."""
NETLINK_ROUTE, NETLINK_SOCK_DIAG = 0, 4
"""Netlink families of linux/netlink.h."""
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x01, 0x04, 0x300, 0x10
"""NLM_F_DUMP is NLM_F_ROOT | NLM_F_MATCH; NLM_F_DUMP_INTR marks a dump during which the table changed."""
TRIES: Final = 5
"""Dumps to try while NLM_F_DUMP_INTR is set; the last one is used as it is."""
BUFFER_SIZE: Final = 1 << 16
ERROR_CODE: Final = struct.Struct("=i")
"""The first member of struct nlmsgerr, `int error`: a negative errno, or 0."""


class MessageHeader(NamedTuple):
    """A decoded struct nlmsghdr."""

    length: int
    kind: int
    flags: int
    number: int
    port: int


def nl_socket(protocol: int = NETLINK_ROUTE) -> socket.socket:
    """Open a netlink socket in the calling thread's network namespace; the caller closes it."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    sock.bind((0, 0))
    return sock


def message(kind: int, body: bytes, flags: int = NLM_F_REQUEST, number: int = 0) -> bytes:
    """Return an encoded netlink message: a struct nlmsghdr and the body."""
    return NLMSGHDR.pack(NLMSGHDR.size + len(body), kind, flags, number, 0) + body


def attribute(kind: int, content: bytes) -> bytes:
    """Return an encoded struct nlattr with its payload, whose length is a multiple of 4 bytes."""
    return NLATTR.pack(NLATTR.size + len(content), kind) + content


def dump(sock: socket.socket, kind: int, body: bytes) -> list[tuple[int, memoryview]]:
    """Request a dump (NLM_F_DUMP) and return the type and the body of each message in the answer.

    Raises OSError if the kernel answers with an error.
    """
    for _ in range(TRIES):
        found, is_consistent = _dump_once(sock, kind, body)
        if is_consistent:
            break
    return found


def _dump_once(sock: socket.socket, kind: int, body: bytes) -> tuple[list[tuple[int, memoryview]], bool]:
    """Return the messages of one dump, and whether it is consistent: no message has NLM_F_DUMP_INTR."""
    sock.send(message(kind, body, NLM_F_REQUEST | NLM_F_DUMP))
    found: list[tuple[int, memoryview]] = []
    is_consistent = True
    while True:
        for head, content in read(sock):
            is_consistent = is_consistent and not head.flags & NLM_F_DUMP_INTR
            if head.kind in (NLMSG_DONE, NLMSG_ERROR):
                if error := error_of(content):
                    raise error
                return found, is_consistent
            found.append((head.kind, content))


def read(sock: socket.socket) -> Iterator[tuple[MessageHeader, memoryview]]:
    """Wait for the next datagram of a netlink socket and yield the header and the body of each message in it."""
    answer = memoryview(sock.recv(BUFFER_SIZE))
    while answer:
        head = MessageHeader(*NLMSGHDR.unpack_from(answer))
        yield head, answer[NLMSGHDR.size : head.length]
        answer = answer[_aligned(head.length) :]


def error_of(content: memoryview) -> OSError | None:
    """Return the error in the body of NLMSG_ERROR or NLMSG_DONE, None if its code is 0 (an acknowledgement)."""
    code = -ERROR_CODE.unpack_from(content)[0] if content else 0
    return OSError(code, os.strerror(code)) if code else None


def attributes(body: memoryview, at: int) -> Iterator[tuple[int, memoryview]]:
    """Yield type and payload of the attributes of a message, which begin at offset `at` of its body."""
    size, unpack = NLATTR.size, NLATTR.unpack_from  # a large proof reads a million attributes
    last = len(body) - size
    while at <= last:
        length, kind = unpack(body, at)
        yield kind & NLA_TYPE_MASK, body[at + size : at + length]
        at += length + 3 & ~3


def _aligned(length: int) -> int:
    """Return NLMSG_ALIGN(length)."""
    return length + 3 & ~3
