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
MSG_DONTWAIT: Final = 0x40
"""MSG_DONTWAIT."""
ADDRESS_SIZE: Final = 28
"""Bytes of the longest address, a sockaddr_in6."""
CONTROL_OFFSET: Final = 32
CMSGHDR: Final = struct.Struct("@Nii")
"""The head of ancillary data: length, level, type."""
PACKET_OFFSET: Final = CONTROL_OFFSET + CMSGHDR.size + 24
"""After room for an in6_pktinfo, on a boundary that the kernel likes."""
PACKET_SIZE: Final = 24
"""Bytes of the longest packet that is sent: a SYN with one option."""
SLOT_SIZE: Final = PACKET_OFFSET + PACKET_SIZE
BATCH_SIZE: Final = 64
"""Packets a call: a neighbour that is not known yet has room for a hundred (unres_qlen in arp(7))."""
RECEIVE_SIZE: Final = 256
"""Bytes of a packet that are read: all headers, and what an unreachable quotes of a probe."""


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
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


class _MMsgHdr(ctypes.Structure):
    """A `struct mmsghdr`: https://man7.org/linux/man-pages/man2/sendmmsg.2.html."""

    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


def control_message(level: int, kind: int, source: bytes) -> bytes:
    """Return the ancillary data that make the kernel send from an address; `source` is its `pktinfo`."""
    return CMSGHDR.pack(CMSGHDR.size + len(source), level, kind) + source


def _message_array(base: int, step: int, length: int) -> tuple[ctypes.Array[_IoVec], ctypes.Array[_MMsgHdr]]:
    """Return the messages whose contents lie at `base` and every `step` bytes further, and what they point to."""
    vectors, messages = (_IoVec * BATCH_SIZE)(), (_MMsgHdr * BATCH_SIZE)()
    for at in range(BATCH_SIZE):
        vectors[at] = _IoVec(base + at * step, length)
        messages[at].header.vector = ctypes.addressof(vectors) + at * ctypes.sizeof(_IoVec)
        messages[at].header.vectors = 1
    return vectors, messages


class SendBatch:
    """Room for packets of one kind: `target` bytes of address, `control` of ancillary data, `packet` of content."""

    def __init__(self, target: int, control: int, packet: int) -> None:
        self.buffer = bytearray(SLOT_SIZE * BATCH_SIZE)
        """What to fill in: slot by slot a target, ancillary data at CONTROL_AT and a packet at CONTENT_AT."""
        self._c_buffer = (ctypes.c_char * len(self.buffer)).from_buffer(self.buffer)
        base = ctypes.addressof(self._c_buffer)
        self._vectors, self._messages = _message_array(base + PACKET_OFFSET, SLOT_SIZE, packet)
        for at, message in enumerate(self._messages):
            message.header.name, message.header.name_length = base + at * SLOT_SIZE, target
            if control:
                message.header.control, message.header.control_length = base + at * SLOT_SIZE + CONTROL_OFFSET, control

    def send(self, descriptor: int, count: int) -> Iterator[tuple[int, int]]:
        """Send the first `count` slots over a socket; yield the slots that the kernel would not send, and the errno."""
        at, base = 0, ctypes.addressof(self._messages)
        while at < count:
            start = ctypes.c_void_p(base + at * ctypes.sizeof(_MMsgHdr))
            sent = LIBC.sendmmsg(descriptor, start, count - at, 0)
            if sent < 0 and (code := ctypes.get_errno()) != errno.EINTR:
                yield at, code
                sent = 1
            at += max(sent, 0)


class ReceiveBatch:
    """Room for packets that are read."""

    def __init__(self) -> None:
        self._bytes = bytearray(RECEIVE_SIZE * BATCH_SIZE)
        self._c_buffer = (ctypes.c_char * len(self._bytes)).from_buffer(self._bytes)
        base = ctypes.addressof(self._c_buffer)
        self._vectors, self._messages = _message_array(base, RECEIVE_SIZE, RECEIVE_SIZE)
        step = ctypes.sizeof(_MMsgHdr) // 4
        self._lengths = memoryview(self._messages).cast("B").cast("I")[_MMsgHdr.length.offset // 4 :: step]

    def read(self, descriptor: int) -> Iterator[bytes]:
        """Yield every packet that a socket has now.

        Raises OSError when it cannot be read.
        """
        count = BATCH_SIZE
        while count == BATCH_SIZE:
            count = LIBC.recvmmsg(descriptor, self._messages, BATCH_SIZE, MSG_DONTWAIT, None)
            if count < 0:
                code = ctypes.get_errno()
                if code in (errno.EAGAIN, errno.EINTR):
                    return
                raise OSError(code, os.strerror(code))
            for at, length in enumerate(self._lengths[:count].tolist()):
                yield bytes(self._bytes[at * RECEIVE_SIZE : at * RECEIVE_SIZE + length])
