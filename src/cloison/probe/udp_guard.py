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
BPF_SYSCALL: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "armv7l": 386, "ppc64le": 361}
"""The number of bpf(2), by processor; all of them little-endian, as the instructions below are."""
BPF_PROG_LOAD: Final = 5
BPF_LINK_CREATE: Final = 28
BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP = 30, 36
BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS = 8, 0
PROG_LOAD_ATTR: Final = struct.Struct("=IIQQIIQII16sII")
LINK_CREATE_ATTR: Final = struct.Struct("=IIII")

BPF_LDX_MEM_W, BPF_LDX_MEM_H, BPF_MOV64_IMM, BPF_JNE_IMM, BPF_JEQ_IMM, BPF_EXIT = 0x61, 0x69, 0xB7, 0x55, 0x15, 0x95
(
    BPF_LDX_MEM_B,
    BPF_LDX_MEM_DW,
    BPF_MOV64_REG,
    BPF_ADD64_IMM,
    BPF_AND64_IMM,
    BPF_LSH64_IMM,
    BPF_RSH64_IMM,
    BPF_JEQ32_IMM,
    BPF_CALL,
) = 0x71, 0x79, 0xBF, 0x07, 0x57, 0x67, 0x77, 0x16, 0x85
R0, R1, R2, R3, R4, R6, R7, R8, R10 = 0, 1, 2, 3, 4, 6, 7, 8, 10
DROP, PASS = 0, 1
SK_LOOKUP_PROTOCOL_OFFSET, SK_LOOKUP_REMOTE_PORT_OFFSET = 12, 36
"""Where `struct bpf_sk_lookup` of linux/bpf.h keeps them, in bytes."""


SKB_SK_OFFSET, SK_TYPE_OFFSET, SK_PROTOCOL_OFFSET = 168, 8, 12
"""Where `struct __sk_buff` keeps its socket, and `struct bpf_sock` its type and protocol."""
IPV6_HEADER, UDP_HEADER = 40, 8
BPF_FUNC_SKB_LOAD_BYTES, BPF_FUNC_SK_FULLSOCK = 26, 95
"""The numbers of the helpers bpf_skb_load_bytes and bpf_sk_fullsock."""
MOUNTINFO: Final = Path("/proc/self/mountinfo")
HIERARCHY_ROOT: Final = re.compile(r"/|(/\.\.)+")
"""The root of a mount that shows the whole hierarchy: itself, or as many steps up as our own control group is down."""
INIT_CGROUP: Final = Path("/proc/1/cgroup")
OUTSIDE_OWN_ROOT: Final = "0::/.."
"""How the place of the machine's first process looks from where its hierarchy's root cannot be seen."""


def load_port_filter(ports: Collection[int]) -> int:
    """Load the program that lets no datagram from `ports` find a socket; the caller closes the descriptor.

    Raises OSError where the kernel does not know such programs, or refuses them.
    """
    return _load_program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, _port_filter(sorted(ports)))


def attach(loaded: int, namespace: int) -> int:
    """Attach a loaded program to a network namespace for as long as the returned descriptor lives.

    Raises OSError when the kernel refuses.
    """
    return _bpf(BPF_LINK_CREATE, LINK_CREATE_ATTR.pack(loaded, namespace, BPF_SK_LOOKUP, 0))


def attach_token_filter(token: int) -> int:
    """Keep datagrams that begin with `token` from every socket, for as long as the returned descriptor lives.

    Raises OSError when the kernel refuses, or has no unified hierarchy of control groups.
    """
    root = os.open(_cgroup_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        loaded = _load_program(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, _token_filter(token))
        try:
            return _bpf(BPF_LINK_CREATE, LINK_CREATE_ATTR.pack(loaded, root, BPF_CGROUP_INET_INGRESS, 0))
        finally:
            os.close(loaded)
    finally:
        os.close(root)


def _cgroup_root() -> str:
    is_above_root = OUTSIDE_OWN_ROOT in INIT_CGROUP.read_text()
    for insn in MOUNTINFO.read_text().splitlines():
        words, _, kind = insn.partition(" - ")
        *_, root, path = words.split()[:5]
        if kind.startswith("cgroup2 ") and HIERARCHY_ROOT.fullmatch(root) and (root != "/") == is_above_root:
            return path
    raise OSError(errno.ENOENT, "the root of the control groups is not mounted here")


def _load_program(kind: int, attachment: int, insns: Sequence[bytes]) -> int:
    code = b"".join(insns)
    instructions, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    return _bpf(
        BPF_PROG_LOAD,
        PROG_LOAD_ATTR.pack(
            kind,
            len(insns),
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


InsnOrJump = bytes | tuple[int, int, int]
"""An instruction, or (condition, register, value) of a jump to the end, where everything else passes."""


def _token_filter(token: int) -> list[bytes]:
    """Return: if a UDP socket, and no raw one, is about to get a datagram that begins with `token`, drop, else pass."""
    insns = [
        *_check_udp(),
        *_payload_offset(),
        *_load_bytes(R8, 4),
        _instruction(BPF_LDX_MEM_W, R2, R10, jump=-8),
        _instruction(BPF_JEQ32_IMM, R2, value=_immediate(token), jump=2),
    ]
    ends = [(BPF_MOV64_IMM, PASS), (BPF_EXIT, 0), (BPF_MOV64_IMM, DROP), (BPF_EXIT, 0)]
    return [
        *(
            insn if isinstance(insn, bytes) else _instruction(*insn[:2], value=insn[2], jump=len(insns) - at - 1)
            for at, insn in enumerate(insns)
        ),
        *(_instruction(code, R0, value=value) for code, value in ends),
    ]


def _check_udp() -> list[InsnOrJump]:
    """Keep the packet in R6; go on where the socket that is about to get it is a UDP one."""
    return [
        _instruction(BPF_MOV64_REG, R6, R1),
        _instruction(BPF_LDX_MEM_DW, R1, R6, jump=SKB_SK_OFFSET),
        (BPF_JEQ_IMM, R1, 0),
        _instruction(BPF_CALL, value=BPF_FUNC_SK_FULLSOCK),
        (BPF_JEQ_IMM, R0, 0),
        _instruction(BPF_LDX_MEM_W, R3, R0, jump=SK_TYPE_OFFSET),
        (BPF_JNE_IMM, R3, int(SOCK_DGRAM)),
        _instruction(BPF_LDX_MEM_W, R3, R0, jump=SK_PROTOCOL_OFFSET),
        (BPF_JNE_IMM, R3, IPPROTO_UDP),
    ]


def _payload_offset() -> list[InsnOrJump]:
    """Have in R8 where the payload begins; the first byte of the packet tells its version and length."""
    return [
        _instruction(BPF_MOV64_IMM, R8, value=0),
        *_load_bytes(R8, 1),
        _instruction(BPF_LDX_MEM_B, R7, R10, jump=-8),
        _instruction(BPF_MOV64_REG, R2, R7),
        _instruction(BPF_RSH64_IMM, R2, value=4),
        _instruction(BPF_MOV64_IMM, R8, value=IPV6_HEADER + UDP_HEADER),
        _instruction(BPF_JEQ_IMM, R2, value=6, jump=4),
        _instruction(BPF_MOV64_REG, R8, R7),
        _instruction(BPF_AND64_IMM, R8, value=0x0F),
        _instruction(BPF_LSH64_IMM, R8, value=2),
        _instruction(BPF_ADD64_IMM, R8, value=UDP_HEADER),
    ]


def _load_bytes(at: int, length: int) -> list[InsnOrJump]:
    """Copy bytes of the packet to the stack, from where the register `at` says."""
    return [
        _instruction(BPF_MOV64_REG, R1, R6),
        _instruction(BPF_MOV64_REG, R2, at),
        _instruction(BPF_MOV64_REG, R3, R10),
        _instruction(BPF_ADD64_IMM, R3, value=-8),
        _instruction(BPF_MOV64_IMM, R4, value=length),
        _instruction(BPF_CALL, value=BPF_FUNC_SKB_LOAD_BYTES),
        (BPF_JNE_IMM, R0, 0),
    ]


def _immediate(token: int) -> int:
    """Return a number as an instruction holds it: in the order of the wire, and signed."""
    number: int = struct.unpack("=i", struct.pack("!I", token))[0]
    return number


def _port_filter(ports: Collection[int]) -> list[bytes]:
    """Return: if it is UDP and comes from one of `ports`, drop, else pass."""
    checks = [
        _instruction(BPF_JEQ_IMM, R2, jump=len(ports) - at + 1, value=htons(port)) for at, port in enumerate(ports)
    ]
    return [
        _instruction(BPF_LDX_MEM_W, R2, R1, jump=SK_LOOKUP_PROTOCOL_OFFSET),
        _instruction(BPF_JNE_IMM, R2, jump=len(checks) + 1, value=IPPROTO_UDP),
        _instruction(BPF_LDX_MEM_H, R2, R1, jump=SK_LOOKUP_REMOTE_PORT_OFFSET),
        *checks,
        _instruction(BPF_MOV64_IMM, R0, value=PASS),
        _instruction(BPF_EXIT),
        _instruction(BPF_MOV64_IMM, R0, value=DROP),
        _instruction(BPF_EXIT),
    ]


def _instruction(code: int, target: int = 0, source: int = 0, *, jump: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, target | source << 4, jump, value)


def _bpf(command: int, attributes: bytes) -> int:
    number = BPF_SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(0, f"bpf(2) has no number here for the processor {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    descriptor: int = LIBC.syscall(number, command, buffer, len(attributes))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor
