"""The messages in which the kernel tells of links, addresses, routes, neighbours and sockets.

A proof asks that in a hundred namespaces, and pyroute2, which knows these messages, takes as long to read one as it
takes to send ten probes. What is asked once, or written, is left to it: see `netlink`.

Layouts: https://man7.org/linux/man-pages/man7/netlink.7.html.
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
"""Without the flags that say how the content of an attribute is written."""
NETLINK_ROUTE, NETLINK_SOCK_DIAG = 0, 4
"""What a line may be about: NETLINK_ROUTE and NETLINK_SOCK_DIAG."""
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x01, 0x300, 0x10
TRIES: Final = 5
"""Dumps of what changes all the time, before the last one has to do."""
BUFFER_SIZE: Final = 1 << 16
ERROR_CODE: Final = struct.Struct("=i")


class MessageHeader(NamedTuple):
    """The head of a message."""

    length: int
    kind: int
    flags: int
    number: int
    port: int


def nl_socket(protocol: int = NETLINK_ROUTE) -> socket.socket:
    """Open a line to the kernel about the namespace in which the calling thread stands; the caller closes it."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    made.bind((0, 0))
    return made


def message(kind: int, body: bytes, flags: int = NLM_F_REQUEST, number: int = 0) -> bytes:
    """Return a message."""
    return NLMSGHDR.pack(NLMSGHDR.size + len(body), kind, flags, number, 0) + body


def attribute(kind: int, content: bytes) -> bytes:
    """Return an attribute of a message; its content is a whole number of words."""
    return NLATTR.pack(NLATTR.size + len(content), kind) + content


def dump(sock: socket.socket, kind: int, body: bytes) -> list[tuple[int, memoryview]]:
    """Ask for everything of a kind and return the answers: the type and what follows the head of each.

    Raises OSError when the kernel refuses.
    """
    for _ in range(TRIES):
        found, is_consistent = _dump_once(sock, kind, body)
        if is_consistent:
            break
    return found


def _dump_once(sock: socket.socket, kind: int, body: bytes) -> tuple[list[tuple[int, memoryview]], bool]:
    """Return the answers, and whether nothing changed while the kernel gave them."""
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
    """Wait for what the kernel says next and yield the head and the content of each message in it."""
    answer = memoryview(sock.recv(BUFFER_SIZE))
    while answer:
        head = MessageHeader(*NLMSGHDR.unpack_from(answer))
        yield head, answer[NLMSGHDR.size : head.length]
        answer = answer[_aligned(head.length) :]


def error_of(content: memoryview) -> OSError | None:
    """Return the error of an answer that ends something: the end of a dump may be one, too."""
    code = -ERROR_CODE.unpack_from(content)[0] if content else 0
    return OSError(code, os.strerror(code)) if code else None


def attributes(body: memoryview, at: int) -> Iterator[tuple[int, memoryview]]:
    """Yield the attributes of a message that begin at a place of its body: the kind and the content of each."""
    while at + NLATTR.size <= len(body):
        length, kind = NLATTR.unpack_from(body, at)
        yield kind & NLA_TYPE_MASK, body[at + NLATTR.size : at + length]
        at += _aligned(length)


def _aligned(length: int) -> int:
    return length + 3 & ~3
