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

HEAD: Final = struct.Struct("=IHHII")
ATTRIBUTE: Final = struct.Struct("=HH")
KIND: Final = 0x3FFF
"""Without the flags that say how the content of an attribute is written."""
ROUTE, SOCKETS = 0, 4
"""What a line may be about: NETLINK_ROUTE and NETLINK_SOCK_DIAG."""
FAILED, DONE = 2, 3
REQUEST, DUMP, INTERRUPTED = 0x01, 0x300, 0x10
TRIES: Final = 5
"""Dumps of what changes all the time, before the last one has to do."""
READ: Final = 1 << 16
CODE: Final = struct.Struct("=i")


class Head(NamedTuple):
    """The head of a message."""

    length: int
    kind: int
    flags: int
    number: int
    port: int


def line(about: int = ROUTE) -> socket.socket:
    """Open a line to the kernel about the namespace in which the calling thread stands; the caller closes it."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, about)
    made.bind((0, 0))
    return made


def message(kind: int, body: bytes, flags: int = REQUEST, number: int = 0) -> bytes:
    """Return a message."""
    return HEAD.pack(HEAD.size + len(body), kind, flags, number, 0) + body


def attribute(kind: int, content: bytes) -> bytes:
    """Return an attribute of a message; its content is a whole number of words."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(content), kind) + content


def dump(asked: socket.socket, kind: int, body: bytes) -> list[tuple[int, memoryview]]:
    """Ask for everything of a kind and return the answers: the type and what follows the head of each.

    Raises OSError when the kernel refuses.
    """
    for _ in range(TRIES):
        found, is_whole = _dumped(asked, kind, body)
        if is_whole:
            break
    return found


def _dumped(asked: socket.socket, kind: int, body: bytes) -> tuple[list[tuple[int, memoryview]], bool]:
    """Return the answers, and whether nothing changed while the kernel gave them."""
    asked.send(message(kind, body, REQUEST | DUMP))
    found: list[tuple[int, memoryview]] = []
    is_whole = True
    while True:
        for head, content in read(asked):
            is_whole = is_whole and not head.flags & INTERRUPTED
            if head.kind in (DONE, FAILED):
                if error := refusal(content):
                    raise error
                return found, is_whole
            found.append((head.kind, content))


def read(asked: socket.socket) -> Iterator[tuple[Head, memoryview]]:
    """Wait for what the kernel says next and yield the head and the content of each message in it."""
    answer = memoryview(asked.recv(READ))
    while answer:
        head = Head(*HEAD.unpack_from(answer))
        yield head, answer[HEAD.size : head.length]
        answer = answer[_aligned(head.length) :]


def refusal(content: memoryview) -> OSError | None:
    """Return the error of an answer that ends something: the end of a dump may be one, too."""
    code = -CODE.unpack_from(content)[0] if content else 0
    return OSError(code, os.strerror(code)) if code else None


def attributes(body: memoryview, at: int) -> Iterator[tuple[int, memoryview]]:
    """Yield the attributes of a message that begin at a place of its body: the kind and the content of each."""
    while at + ATTRIBUTE.size <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, at)
        yield kind & KIND, body[at + ATTRIBUTE.size : at + length]
        at += _aligned(length)


def _aligned(length: int) -> int:
    return length + 3 & ~3
