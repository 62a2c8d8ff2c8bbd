"""Sends and reads many packets with one call of the kernel: sendmmsg(2) and recvmmsg(2), which Python does not have.

Rule: what a call needs is laid out once, in memory that stays where it is; a packet only fills in its own bytes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)
DONT_WAIT: Final = 0x40
"""MSG_DONTWAIT."""
TARGET: Final = 28
"""Bytes of the longest address, a sockaddr_in6."""
CONTROL_AT: Final = 32
PIN: Final = struct.Struct("@Nii")
"""The head of ancillary data: length, level, type."""
CONTENT_AT: Final = CONTROL_AT + PIN.size + 24
"""After room for an in6_pktinfo, on a boundary that the kernel likes."""
PACKET: Final = 24
"""Bytes of the longest packet that is sent: a SYN with one option."""
SLOT: Final = CONTENT_AT + PACKET
AT_ONCE: Final = 64
"""Packets a call: a neighbour that is not known yet has room for a hundred (unres_qlen in arp(7))."""
READ: Final = 256
"""Bytes of a packet that are read: all headers, and what an unreachable quotes of a probe."""


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """A `struct msghdr`: https://man7.org/linux/man-pages/man2/sendmsg.2.html."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.c_void_p),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """A `struct mmsghdr`: https://man7.org/linux/man-pages/man2/sendmmsg.2.html."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


def pinned(level: int, kind: int, source: bytes) -> bytes:
    """Return the ancillary data that make the kernel send from an address; `source` is its `pktinfo`."""
    return PIN.pack(PIN.size + len(source), level, kind) + source


def _laid_out(base: int, step: int, length: int) -> tuple[ctypes.Array[_Vector], ctypes.Array[_Message]]:
    """Return the messages whose contents lie at `base` and every `step` bytes further, and what they point to."""
    vectors, messages = (_Vector * AT_ONCE)(), (_Message * AT_ONCE)()
    for at in range(AT_ONCE):
        vectors[at] = _Vector(base + at * step, length)
        messages[at].header.vector = ctypes.addressof(vectors) + at * ctypes.sizeof(_Vector)
        messages[at].header.vectors = 1
    return vectors, messages


class Volley:
    """Room for packets of one kind: `target` bytes of address, `control` of ancillary data, `packet` of content."""

    def __init__(self, target: int, control: int, packet: int) -> None:
        self.bytes = bytearray(SLOT * AT_ONCE)
        """What to fill in: slot by slot a target, ancillary data at CONTROL_AT and a packet at CONTENT_AT."""
        self._pin = (ctypes.c_char * len(self.bytes)).from_buffer(self.bytes)
        base = ctypes.addressof(self._pin)
        self._vectors, self._messages = _laid_out(base + CONTENT_AT, SLOT, packet)
        for at, message in enumerate(self._messages):
            message.header.name, message.header.name_length = base + at * SLOT, target
            if control:
                message.header.control, message.header.control_length = base + at * SLOT + CONTROL_AT, control

    def send(self, descriptor: int, count: int) -> Iterator[tuple[int, int]]:
        """Send the first `count` slots over a socket; yield the slots that the kernel would not send, and the errno."""
        at, base = 0, ctypes.addressof(self._messages)
        while at < count:
            start = ctypes.c_void_p(base + at * ctypes.sizeof(_Message))
            sent = LIBC.sendmmsg(descriptor, start, count - at, 0)
            if sent < 0 and (code := ctypes.get_errno()) != errno.EINTR:
                yield at, code
                sent = 1
            at += max(sent, 0)


class Catch:
    """Room for packets that are read."""

    def __init__(self) -> None:
        self._bytes = bytearray(READ * AT_ONCE)
        self._pin = (ctypes.c_char * len(self._bytes)).from_buffer(self._bytes)
        base = ctypes.addressof(self._pin)
        self._vectors, self._messages = _laid_out(base, READ, READ)
        step = ctypes.sizeof(_Message) // 4
        self._lengths = memoryview(self._messages).cast("B").cast("I")[_Message.length.offset // 4 :: step]

    def read(self, descriptor: int) -> Iterator[bytes]:
        """Yield every packet that a socket has now.

        Raises OSError when it cannot be read.
        """
        count = AT_ONCE
        while count == AT_ONCE:
            count = LIBC.recvmmsg(descriptor, self._messages, AT_ONCE, DONT_WAIT, None)
            if count < 0:
                code = ctypes.get_errno()
                if code in (errno.EAGAIN, errno.EINTR):
                    return
                raise OSError(code, os.strerror(code))
            for at, length in enumerate(self._lengths[:count].tolist()):
                yield bytes(self._bytes[at * READ : at * READ + length])
