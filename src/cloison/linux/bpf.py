"""Calls bpf(2), for which the C library has no function.

Output: the result and the attributes that the kernel has written.
Source: bpf(2), linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)
BPF_SYSCALL: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "armv7l": 386, "ppc64le": 361}
"""The system call number of bpf(2), by processor (uname -m); all are little-endian, like the programs."""
BPF_PROG_QUERY: Final = 16
QUERY_ATTR: Final = struct.Struct("=IIIIQII32x")
"""The members of union bpf_attr for BPF_PROG_QUERY.

    struct {
        __u32 target_ifindex, attach_type, query_flags, attach_flags;
        __aligned_u64 prog_ids;
        __u32 count, :32;
        __aligned_u64 prog_attach_flags, link_ids, link_attach_flags, revision;
    };
"""


def attached_programs(index: int, attach_type: int) -> int:
    """Return the number of programs that are attached to an interface of the calling thread's network namespace.

    Raises OSError when the kernel refuses, or does not know the attach type.
    """
    number = BPF_SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"the number of bpf(2) is not known for the processor {platform.machine()}")
    request = QUERY_ATTR.pack(index, attach_type, 0, 0, 0, 0, 0)
    buffer = ctypes.create_string_buffer(request, len(request))
    if LIBC.syscall(number, BPF_PROG_QUERY, buffer, len(request)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    count: int = QUERY_ATTR.unpack(buffer.raw)[5]
    return count
