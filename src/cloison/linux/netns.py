"""Network namespaces: opening them, standing in them, making them.

Rule: a namespace is held by a file descriptor, never by a path. A path under /proc may belong to
another process by the time it is opened again; a descriptor keeps what it was.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET: Final = 0x40000000
IF_INET6: Final = Path("/proc/thread-self/net/if_inet6")
UNUSABLE_FLAGS: Final = 0x40 | 0x08
"""IFA_F_TENTATIVE and IFA_F_DADFAILED of linux/if_addr.h."""
MOUNT_ROOT_FIELD: Final = 3
"""Which word of a line of mountinfo is what is mounted: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"""
OWN_NETNS: Final = "/proc/thread-self/ns/net"
STATUS: Final = Path("/proc/self/status")
UID_MAP: Final = Path("/proc/self/uid_map")
INITIAL_UID_MAP: Final = ["0", "0", str(2**32 - 1)]
"""The map of the first user namespace: everybody is who he is."""
CAPABILITIES: Final = {"SYS_ADMIN": 21, "SYS_PTRACE": 19, "NET_ADMIN": 12, "NET_RAW": 13}
"""What proving needs, and its numbers: to enter and make namespaces; to open those of other processes; to join the
outside machine to the host; to send probes. With any one of them missing nothing is proven."""
REQUIRED_CAPABILITIES: Final = sum(1 << number for number in CAPABILITIES.values())


def of_process(pid: int) -> int:
    """Open the network namespace of a process; the caller closes the descriptor.

    Raises OSError when there is no such process.
    """
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def of_container(pid: int, identity: str) -> int:
    """Open the network namespace of a container's process; the caller closes the descriptor.

    Raises OSError when there is no such process, or it is somebody else's: a number may have gone to
    another process, and an engine that sees other processes than we do means another one by it.
    """
    folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:  # the opened folder stands for one process, whoever gets its number later
        if not _is_of_container(folder, identity):
            raise ProcessLookupError(errno.ESRCH, f"process {pid} of this machine is none of its own")
        return os.open("ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)


def _is_of_container(folder: int, identity: str) -> bool:
    """Whether a process is of the container that its engine calls `identity`.

    Its control group bears that name, or, where the engine was told to make none, what its resolv.conf is
    bound from. The host has mounts that end in such a folder, so only what is mounted counts, not where.
    """
    if identity in _read_at(folder, "cgroup"):
        return True
    mounts = (line.split() for line in _read_at(folder, "mountinfo").splitlines())
    return any(identity in words[MOUNT_ROOT_FIELD] for words in mounts)


def _read_at(folder: int, name: str) -> str:
    opened = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    with open(opened, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # it has no path
        return file.read()


def of_this_thread() -> int:
    """Open the network namespace in which the calling thread stands; the caller closes the descriptor."""
    return os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)


def identity(descriptor: int) -> int:
    """Return the number that tells one namespace from another."""
    return os.fstat(descriptor).st_ino


def can_enter() -> bool:
    """Whether this process may enter every namespace of this machine: root with the rights of the first user namespace.

    Root in a container, or in a user namespace of its own, is not.
    """
    status = STATUS.read_text() if STATUS.exists() else ""
    held = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return (
        os.geteuid() == 0
        and held & REQUIRED_CAPABILITIES == REQUIRED_CAPABILITIES
        and UID_MAP.read_text().split() == INITIAL_UID_MAP
    )


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Stand in a namespace: sockets made here stay in it. Only the calling thread moves, and it comes back."""
    original = of_this_thread()
    try:
        _setns(descriptor)
        try:
            yield
        finally:
            _setns(original)
    finally:
        os.close(original)


def new() -> int:
    """Make a namespace that has no name and no process: it goes when its last descriptor and socket close.

    So a killed proof leaves nothing behind: the kernel takes the namespace and its links away.
    """
    original = of_this_thread()
    try:
        _raise_on_error(LIBC.unshare(CLONE_NEWNET))
        try:
            return of_this_thread()
        finally:
            _setns(original)
    finally:
        os.close(original)


def tentative() -> set[str]:
    """Return the IPv6 addresses of the calling thread's namespace that the kernel does not use yet, or will not.

    It asks the link first whether somebody has them (RFC 4862 section 5.4), which takes a second or two.
    """
    lines = IF_INET6.read_text().splitlines() if IF_INET6.exists() else []
    found = (line.split() for line in lines)
    return {str(IPv6Address(bytes.fromhex(words[0]))) for words in found if int(words[4], 16) & UNUSABLE_FLAGS}


def _setns(descriptor: int) -> None:
    # os.setns exists from Python 3.12; 3.11 is supported.
    _raise_on_error(LIBC.setns(descriptor, CLONE_NEWNET))


def _raise_on_error(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
