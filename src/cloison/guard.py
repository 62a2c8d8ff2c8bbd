"""Keeps the datagrams of a probe from the services at whose ports they are aimed.

A datagram has no handshake that could be left half-open: what arrives is handed to the process that
listens. So while a proof lasts, the kernel itself lets the probe's datagrams find no socket: a BPF
program of type `sk_lookup`, attached to the namespace, answers "nobody" for datagrams from the
prober's own ports, after the raw socket has seen them arrive and before any service would.
Everybody else's datagrams pass. The attachment is a descriptor: it goes with the process that holds
it, however that process ends.

Linux 5.9 and later: https://docs.kernel.org/bpf/prog_sk_lookup.html
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Collection
from socket import htons
from typing import Final

from cloison.segment import IPPROTO_UDP

LIBC: Final = ctypes.CDLL(None, use_errno=True)
SYSCALL: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "armv7l": 386, "ppc64le": 361}
"""The number of bpf(2), by processor; all of them little-endian, as the instructions below are."""
PROG_LOAD: Final = 5
LINK_CREATE: Final = 28
SK_LOOKUP_PROGRAM: Final = 30
SK_LOOKUP_ATTACHMENT: Final = 36
LOAD: Final = struct.Struct("=IIQQIIQII16sII")
LINK: Final = struct.Struct("=IIII")

WORD, HALF, IS, IS_NOT_GO, IS_GO, LEAVE = 0x61, 0x69, 0xB7, 0x55, 0x15, 0x95
R0, R1, R2 = 0, 1, 2
DROP, PASS = 0, 1
PROTOCOL, REMOTE_PORT = 12, 36
"""Where `struct bpf_sk_lookup` of linux/bpf.h keeps them, in bytes."""


def program(ports: Collection[int]) -> int:
    """Load the program that lets no datagram from `ports` find a socket; the caller closes the descriptor.

    Raises OSError where the kernel does not know such programs, or refuses them.
    """
    code = b"".join(_instructions(sorted(ports)))
    instructions, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    return _bpf(
        PROG_LOAD,
        LOAD.pack(
            SK_LOOKUP_PROGRAM,
            len(code) // 8,
            ctypes.addressof(instructions),
            ctypes.addressof(licence),
            0,  # no log
            0,
            0,
            0,
            0,
            b"cloison",
            0,
            SK_LOOKUP_ATTACHMENT,
        ),
    )


def attached(loaded: int, namespace: int) -> int:
    """Attach a loaded program to a network namespace for as long as the returned descriptor lives.

    Raises OSError when the kernel refuses.
    """
    return _bpf(LINK_CREATE, LINK.pack(loaded, namespace, SK_LOOKUP_ATTACHMENT, 0))


def _instructions(ports: Collection[int]) -> list[bytes]:
    """Return: if it is UDP and comes from one of `ports`, drop, else pass."""
    checks = [_instruction(IS_GO, R2, jump=len(ports) - at + 1, value=htons(port)) for at, port in enumerate(ports)]
    return [
        _instruction(WORD, R2, R1, jump=PROTOCOL),
        _instruction(IS_NOT_GO, R2, jump=len(checks) + 1, value=IPPROTO_UDP),
        _instruction(HALF, R2, R1, jump=REMOTE_PORT),
        *checks,
        _instruction(IS, R0, value=PASS),
        _instruction(LEAVE),
        _instruction(IS, R0, value=DROP),
        _instruction(LEAVE),
    ]


def _instruction(code: int, target: int = 0, source: int = 0, *, jump: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, target | source << 4, jump, value)


def _bpf(command: int, attributes: bytes) -> int:
    number = SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(0, f"bpf(2) has no number here for the processor {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    descriptor: int = LIBC.syscall(number, command, buffer, len(attributes))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor
