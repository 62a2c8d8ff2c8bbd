"""Keeps the datagrams of a probe from the services at whose ports they are aimed.

A datagram has no handshake that could be left half-open: what arrives is handed to the process that
listens. So while a proof lasts, the kernel itself keeps the probe's datagrams from it, after the raw
socket has seen them arrive. Two BPF programs do it:

- `sk_lookup`, attached to the namespace, answers "nobody listens" for datagrams from the prober's own
  ports. No counter of the service's socket moves.
- `cgroup_skb`, attached to the machine's root control group, throws away what begins with the run's
  token before a UDP socket gets it. Connection tracking gives the second of two datagrams that it
  would confuse (one to a published port, one to the container's own) another port than ours.
  Measured: without it, two datagrams of every proof of a published UDP port came to the service.

Everybody else's datagrams pass. An attachment is a descriptor: it goes with the process that holds
it, however that process ends.

Linux 5.9 and later: https://docs.kernel.org/bpf/prog_sk_lookup.html,
https://docs.ebpf.io/linux/program-type/BPF_PROG_TYPE_CGROUP_SKB/.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from socket import SOCK_DGRAM, htons
from typing import Final

from cloison.probe.packets import IPPROTO_UDP

LIBC: Final = ctypes.CDLL(None, use_errno=True)
SYSCALL: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "armv7l": 386, "ppc64le": 361}
"""The number of bpf(2), by processor; all of them little-endian, as the instructions below are."""
PROG_LOAD: Final = 5
LINK_CREATE: Final = 28
SK_LOOKUP_PROGRAM, SK_LOOKUP_ATTACHMENT = 30, 36
CGROUP_SKB_PROGRAM, CGROUP_SKB_ATTACHMENT = 8, 0
LOAD: Final = struct.Struct("=IIQQIIQII16sII")
LINK: Final = struct.Struct("=IIII")

WORD, HALF, IS, IS_NOT_GO, IS_GO, LEAVE = 0x61, 0x69, 0xB7, 0x55, 0x15, 0x95
BYTE, LONG, COPY, PLUS, AND, UP, DOWN, LOW_IS_GO, CALL = 0x71, 0x79, 0xBF, 0x07, 0x57, 0x67, 0x77, 0x16, 0x85
R0, R1, R2, R3, R4, R6, R7, R8, STACK = 0, 1, 2, 3, 4, 6, 7, 8, 10
DROP, PASS = 0, 1
PROTOCOL, REMOTE_PORT = 12, 36
"""Where `struct bpf_sk_lookup` of linux/bpf.h keeps them, in bytes."""


SOCKET, TYPE, SOCKET_PROTOCOL = 168, 8, 12
"""Where `struct __sk_buff` keeps its socket, and `struct bpf_sock` its type and protocol."""
IPV6_HEADER, UDP_HEADER = 40, 8
LOAD_BYTES, WHOLE_SOCKET = 26, 95
"""The numbers of the helpers bpf_skb_load_bytes and bpf_sk_fullsock."""
MOUNTS: Final = Path("/proc/self/mountinfo")
WHOLE: Final = re.compile(r"/|(/\.\.)+")
"""The root of a mount that shows the whole hierarchy: itself, or as many steps up as our own control group is down."""
FIRST: Final = Path("/proc/1/cgroup")
FAR: Final = "0::/.."
"""How the place of the machine's first process looks from where its hierarchy's root cannot be seen."""


def program(ports: Collection[int]) -> int:
    """Load the program that lets no datagram from `ports` find a socket; the caller closes the descriptor.

    Raises OSError where the kernel does not know such programs, or refuses them.
    """
    return _loaded(SK_LOOKUP_PROGRAM, SK_LOOKUP_ATTACHMENT, _instructions(sorted(ports)))


def attached(loaded: int, namespace: int) -> int:
    """Attach a loaded program to a network namespace for as long as the returned descriptor lives.

    Raises OSError when the kernel refuses.
    """
    return _bpf(LINK_CREATE, LINK.pack(loaded, namespace, SK_LOOKUP_ATTACHMENT, 0))


def everywhere(token: int) -> int:
    """Keep datagrams that begin with `token` from every socket, for as long as the returned descriptor lives.

    Raises OSError when the kernel refuses, or has no unified hierarchy of control groups.
    """
    root = os.open(_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        loaded = _loaded(CGROUP_SKB_PROGRAM, CGROUP_SKB_ATTACHMENT, _by_token(token))
        try:
            return _bpf(LINK_CREATE, LINK.pack(loaded, root, CGROUP_SKB_ATTACHMENT, 0))
        finally:
            os.close(loaded)
    finally:
        os.close(root)


def _root() -> str:
    is_far = FAR in FIRST.read_text()
    for line in MOUNTS.read_text().splitlines():
        words, _, kind = line.partition(" - ")
        *_, root, path = words.split()[:5]
        if kind.startswith("cgroup2 ") and WHOLE.fullmatch(root) and (root != "/") == is_far:
            return path
    raise OSError(errno.ENOENT, "the root of the control groups is not mounted here")


def _loaded(kind: int, attachment: int, lines: Sequence[bytes]) -> int:
    code = b"".join(lines)
    instructions, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    return _bpf(
        PROG_LOAD,
        LOAD.pack(
            kind,
            len(lines),
            ctypes.addressof(instructions),
            ctypes.addressof(licence),
            0,  # no log
            0,
            0,
            0,
            0,
            b"cloison",
            0,
            attachment,
        ),
    )


Line = bytes | tuple[int, int, int]
"""An instruction, or (condition, register, value) of a jump to the end, where everything else passes."""


def _by_token(token: int) -> list[bytes]:
    """Return: if a UDP socket, and no raw one, is about to get a datagram that begins with `token`, drop, else pass."""
    lines = [
        *_is_datagram(),
        *_payload_at(),
        *_read(R8, 4),
        _instruction(WORD, R2, STACK, jump=-8),
        _instruction(LOW_IS_GO, R2, value=_signed(token), jump=2),
    ]
    ends = [(IS, PASS), (LEAVE, 0), (IS, DROP), (LEAVE, 0)]
    return [
        *(
            line if isinstance(line, bytes) else _instruction(*line[:2], value=line[2], jump=len(lines) - at - 1)
            for at, line in enumerate(lines)
        ),
        *(_instruction(code, R0, value=value) for code, value in ends),
    ]


def _is_datagram() -> list[Line]:
    """Keep the packet in R6; go on where the socket that is about to get it is a UDP one."""
    return [
        _instruction(COPY, R6, R1),
        _instruction(LONG, R1, R6, jump=SOCKET),
        (IS_GO, R1, 0),
        _instruction(CALL, value=WHOLE_SOCKET),
        (IS_GO, R0, 0),
        _instruction(WORD, R3, R0, jump=TYPE),
        (IS_NOT_GO, R3, int(SOCK_DGRAM)),
        _instruction(WORD, R3, R0, jump=SOCKET_PROTOCOL),
        (IS_NOT_GO, R3, IPPROTO_UDP),
    ]


def _payload_at() -> list[Line]:
    """Have in R8 where the payload begins; the first byte of the packet tells its version and length."""
    return [
        _instruction(IS, R8, value=0),
        *_read(R8, 1),
        _instruction(BYTE, R7, STACK, jump=-8),
        _instruction(COPY, R2, R7),
        _instruction(DOWN, R2, value=4),
        _instruction(IS, R8, value=IPV6_HEADER + UDP_HEADER),
        _instruction(IS_GO, R2, value=6, jump=4),
        _instruction(COPY, R8, R7),
        _instruction(AND, R8, value=0x0F),
        _instruction(UP, R8, value=2),
        _instruction(PLUS, R8, value=UDP_HEADER),
    ]


def _read(at: int, length: int) -> list[Line]:
    """Copy bytes of the packet to the stack, from where the register `at` says."""
    return [
        _instruction(COPY, R1, R6),
        _instruction(COPY, R2, at),
        _instruction(COPY, R3, STACK),
        _instruction(PLUS, R3, value=-8),
        _instruction(IS, R4, value=length),
        _instruction(CALL, value=LOAD_BYTES),
        (IS_NOT_GO, R0, 0),
    ]


def _signed(token: int) -> int:
    """Return a number as an instruction holds it: in the order of the wire, and signed."""
    number: int = struct.unpack("=i", struct.pack("!I", token))[0]
    return number


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
