"""Sends and receives up to 64 packets with one system call: sendmmsg(2) and recvmmsg(2), which Python lacks.

Input: slots of a `SendBatch`, filled with an address, ancillary data and a packet. Output: the slots that the kernel
refused, and the packets that a `ReceiveBatch` read.

A slot of a SendBatch, in bytes:

      0                 32                        72             96
      +-----------------+-------------------------+--------------+
      | sockaddr_in/in6 | cmsghdr, in/in6_pktinfo | packet       |
      +-----------------+-------------------------+--------------+
      msg_name          msg_control               msg_iov[0]

Rule: the arrays of struct mmsghdr and struct iovec are filled once, in memory that does not move; a packet only
writes the bytes of its slot.
Source: https://man7.org/linux/man-pages/man2/sendmmsg.2.html, https://man7.org/linux/man-pages/man2/recvmmsg.2.html.
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
"""MSG_DONTWAIT of linux/socket.h: fail with EAGAIN instead of waiting for a packet."""
ADDRESS_SIZE: Final = 28
"""sizeof(struct sockaddr_in6), the longest address."""
CONTROL_OFFSET: Final = 32
CMSGHDR: Final = struct.Struct("@Nii")
"""struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }, the head of ancillary data: cmsg(3)."""
PACKET_OFFSET: Final = CONTROL_OFFSET + CMSGHDR.size + 24
"""After CMSG_SPACE(sizeof(struct in6_pktinfo)), a multiple of 8 bytes."""
PACKET_SIZE: Final = 24
"""Bytes of the longest packet that is sent: a SYN with one option."""
SLOT_SIZE: Final = PACKET_OFFSET + PACKET_SIZE
BATCH_SIZE: Final = 64
"""Packets a call: the kernel queues about a hundred for a neighbor that is not resolved yet (unres_qlen in arp(7))."""
RECEIVE_SIZE: Final = 256
"""Bytes of a packet that are read: all headers, and the part of a probe that an ICMP error quotes."""


MAX_BATCHES: Final = 1 << 9
"""Batches that are read at once: more packets than a receive buffer of 16 MiB holds, so what is queued is read, and a
sender that is as fast as the reader does not keep it busy for ever."""


class _IoVec(ctypes.Structure):
    """struct iovec { void *iov_base; size_t iov_len; }: readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    """The C struct of https://man7.org/linux/man-pages/man2/sendmsg.2.html.

    struct msghdr {
        void         *msg_name;        /* address */
        socklen_t     msg_namelen;
        struct iovec *msg_iov;         /* scatter/gather array */
        size_t        msg_iovlen;
        void         *msg_control;     /* ancillary data */
        size_t        msg_controllen;
        int           msg_flags;
    };
    """

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
    """struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; }: sendmmsg(2)."""

    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint))


def control_message(level: int, kind: int, source: bytes) -> bytes:
    """Return ancillary data that choose the source address; `source` is a struct in_pktinfo or in6_pktinfo: ip(7)."""
    return CMSGHDR.pack(CMSGHDR.size + len(source), level, kind) + source


def _message_array(base: int, step: int, length: int) -> tuple[ctypes.Array[_IoVec], ctypes.Array[_MMsgHdr]]:
    """Return an array of struct iovec, for buffers at `base`, `base + step` ..., and the struct mmsghdr that use it."""
    vectors, messages = (_IoVec * BATCH_SIZE)(), (_MMsgHdr * BATCH_SIZE)()
    for at in range(BATCH_SIZE):
        vectors[at] = _IoVec(base + at * step, length)
        messages[at].header.vector = ctypes.addressof(vectors) + at * ctypes.sizeof(_IoVec)
        messages[at].header.vectors = 1
    return vectors, messages


class SendBatch:
    """A buffer for packets of one kind: `target` bytes of address, `control` of ancillary data, `packet` of packet."""

    def __init__(self, target: int, control: int, packet: int) -> None:
        self.buffer = bytearray(SLOT_SIZE * BATCH_SIZE)
        """The slots: an address at 0, ancillary data at CONTROL_OFFSET, a packet at PACKET_OFFSET."""
        self._c_buffer = (ctypes.c_char * len(self.buffer)).from_buffer(self.buffer)
        base = ctypes.addressof(self._c_buffer)
        self._vectors, self._messages = _message_array(base + PACKET_OFFSET, SLOT_SIZE, packet)
        for at, message in enumerate(self._messages):
            message.header.name, message.header.name_length = base + at * SLOT_SIZE, target
            if control:
                message.header.control, message.header.control_length = base + at * SLOT_SIZE + CONTROL_OFFSET, control

    def send(self, descriptor: int, count: int) -> Iterator[tuple[int, int]]:
        """Send the first `count` slots over a socket; yield each slot that the kernel refused, with the errno.

        sendmmsg(2) stops at the first packet that fails, so it is called again with the packet after it.
        """
        at, base = 0, ctypes.addressof(self._messages)
        while at < count:
            start = ctypes.c_void_p(base + at * ctypes.sizeof(_MMsgHdr))
            sent = LIBC.sendmmsg(descriptor, start, count - at, 0)
            if sent < 0 and (code := ctypes.get_errno()) != errno.EINTR:
                yield at, code
                sent = 1
            at += max(sent, 0)


class ReceiveBatch:
    """A buffer for received packets, RECEIVE_SIZE bytes each."""

    def __init__(self) -> None:
        self._bytes = bytearray(RECEIVE_SIZE * BATCH_SIZE)
        self._c_buffer = (ctypes.c_char * len(self._bytes)).from_buffer(self._bytes)
        base = ctypes.addressof(self._c_buffer)
        self._vectors, self._messages = _message_array(base, RECEIVE_SIZE, RECEIVE_SIZE)
        step = ctypes.sizeof(_MMsgHdr) // 4
        self._lengths = memoryview(self._messages).cast("B").cast("I")[_MMsgHdr.length.offset // 4 :: step]

    def read(self, descriptor: int) -> Iterator[bytes]:
        """Yield the packets that are in a socket's receive queue now, at most MAX_BATCHES batches of them.

        Raises OSError if the socket cannot be read.
        """
        for _ in range(MAX_BATCHES):
            count = LIBC.recvmmsg(descriptor, self._messages, BATCH_SIZE, MSG_DONTWAIT, None)
            if count < 0:
                code = ctypes.get_errno()
                if code in (errno.EAGAIN, errno.EINTR):
                    return
                raise OSError(code, os.strerror(code))
            for at, length in enumerate(self._lengths[:count].tolist()):
                yield bytes(self._bytes[at * RECEIVE_SIZE : at * RECEIVE_SIZE + length])
            if count < BATCH_SIZE:
                return
