"""Loads eBPF programs that drop a probe's UDP datagrams before a service receives them.

UDP has no handshake: the kernel delivers a datagram that arrives to the socket that is bound to the port. A raw
socket receives its copy earlier, so the prober still sees the arrival. Two programs drop the datagram after that:

- BPF_PROG_TYPE_SK_LOOKUP, attached to a network namespace: the lookup of a socket for a datagram from one of the
  prober's source ports finds none (SK_DROP). No counter of the service's socket changes.
- BPF_PROG_TYPE_CGROUP_SKB, attached to the root control group (BPF_CGROUP_INET_INGRESS): a datagram whose payload
  begins with the run's token is not delivered to a UDP socket. It is needed because connection tracking may change
  the source port, if a published port and the container's own port are probed from one source port. Measured: without
  it, two datagrams of every proof of a published UDP port reached the service.

Rule: all other datagrams pass. A link (bpf_link) is a descriptor, so the kernel detaches the program when the process
ends, even if it is killed.
Source: bpf(2), https://docs.kernel.org/bpf/prog_sk_lookup.html (Linux 5.9),
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
from typing import Final

from cloison.linux.bpf import BPF_SYSCALL
from cloison.probe import udp_guard_programs

LIBC: Final = ctypes.CDLL(None, use_errno=True)
BPF_PROG_LOAD: Final = 5
BPF_LINK_CREATE: Final = 28
"""Commands, enum bpf_cmd of linux/bpf.h."""
BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP = 30, 36
BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS = 8, 0
"""Program types and attach types, enum bpf_prog_type and enum bpf_attach_type of linux/bpf.h."""
PROG_LOAD_ATTR: Final = struct.Struct("=IIQQIIQII16sII")
"""The members of union bpf_attr for BPF_PROG_LOAD.

    struct {
        __u32 prog_type, insn_cnt;
        __aligned_u64 insns, license;
        __u32 log_level, log_size;
        __aligned_u64 log_buf;
        __u32 kern_version, prog_flags;
        char  prog_name[BPF_OBJ_NAME_LEN];    /* 16 bytes */
        __u32 prog_ifindex, expected_attach_type;
    };
"""
LINK_CREATE_ATTR: Final = struct.Struct("=IIII")
"""struct { __u32 prog_fd, target_fd, attach_type, flags; }, the members of union bpf_attr for BPF_LINK_CREATE."""
MOUNTINFO: Final = Path("/proc/self/mountinfo")
HIERARCHY_ROOT: Final = re.compile(r"/|(/\.\.)+")
"""The `root` field of a cgroup2 mount that shows the whole hierarchy: "/", or in a cgroup namespace one "/.." for each
level between the namespace's root and the hierarchy's root (cgroup_namespaces(7))."""
INIT_CGROUP: Final = Path("/proc/1/cgroup")
OUTSIDE_OWN_ROOT: Final = "0::/.."
"""The beginning of /proc/1/cgroup if process 1 is above the root of this process's cgroup namespace."""


def load_port_filter(ports: Collection[int]) -> int:
    """Load the sk_lookup program that drops datagrams from `ports`; the caller closes the returned descriptor.

    Raises OSError if the kernel does not support such programs, or rejects this one.
    """
    return _load_program(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, udp_guard_programs.port_filter(sorted(ports)))


def attach(loaded: int, namespace: int) -> int:
    """Attach a loaded sk_lookup program to a network namespace until the returned descriptor is closed.

    Raises OSError if the kernel refuses.
    """
    return _bpf(BPF_LINK_CREATE, LINK_CREATE_ATTR.pack(loaded, namespace, BPF_SK_LOOKUP, 0))


def attach_token_filter(token: int) -> int:
    """Drop datagrams whose payload begins with `token` before UDP sockets, until the returned descriptor is closed.

    Raises OSError if the kernel refuses, or the cgroup v2 hierarchy is not mounted.
    """
    root = os.open(_cgroup_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        loaded = _load_program(
            BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, udp_guard_programs.token_filter(token)
        )
        try:
            return _bpf(BPF_LINK_CREATE, LINK_CREATE_ATTR.pack(loaded, root, BPF_CGROUP_INET_INGRESS, 0))
        finally:
            os.close(loaded)
    finally:
        os.close(root)


def _cgroup_root() -> str:
    is_above_root = OUTSIDE_OWN_ROOT in INIT_CGROUP.read_text()
    for line in MOUNTINFO.read_text().splitlines():
        words, _, kind = line.partition(" - ")
        *_, root, path = words.split()[:5]
        if kind.startswith("cgroup2 ") and HIERARCHY_ROOT.fullmatch(root) and (root != "/") == is_above_root:
            return path
    raise OSError(errno.ENOENT, "the root of the cgroup v2 hierarchy is not mounted")


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


def _bpf(command: int, attributes: bytes) -> int:
    number = BPF_SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(0, f"the system call number of bpf(2) is not known for the processor {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    descriptor: int = LIBC.syscall(number, command, buffer, len(attributes))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor
