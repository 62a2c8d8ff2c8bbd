"""Opens, enters and makes network namespaces: setns(2), unshare(2).

Input: PIDs and container IDs. Output: open descriptors of namespaces, which the caller closes.
Rule: a namespace is identified by an open descriptor, never by a path. When a path under /proc/PID is opened again,
the PID may belong to another process; a descriptor refers to the same namespace until it is closed.
setns(2) moves the calling thread only, not the process:

    int setns(int fd, int nstype);   /* nstype CLONE_NEWNET: fail with EINVAL unless fd is a network namespace */
    int unshare(int flags);          /* flags CLONE_NEWNET: a new, empty network namespace */

Source: network_namespaces(7), https://man7.org/linux/man-pages/man2/setns.2.html.
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
"""CLONE_NEWNET of linux/sched.h."""
IF_INET6: Final = Path("/proc/thread-self/net/if_inet6")
UNUSABLE_FLAGS: Final = 0x40 | 0x08
"""IFA_F_TENTATIVE and IFA_F_DADFAILED of linux/if_addr.h."""
MOUNT_ROOT_FIELD: Final = 3
"""The index of `root` in a line of mountinfo: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"""
OWN_NETNS: Final = "/proc/thread-self/ns/net"
STATUS: Final = Path("/proc/self/status")
UID_MAP: Final = Path("/proc/self/uid_map")
INITIAL_UID_MAP: Final = ["0", "0", str(2**32 - 1)]
"""The uid_map of the initial user namespace, which maps every user ID to itself: user_namespaces(7)."""
CAPABILITIES: Final = {"SYS_ADMIN": 21, "SYS_PTRACE": 19, "NET_ADMIN": 12, "NET_RAW": 13}
"""The capabilities that a proof needs, with their numbers in linux/capability.h.

CAP_SYS_ADMIN for setns(2) and unshare(2); CAP_SYS_PTRACE to open /proc/PID/ns of other processes; CAP_NET_ADMIN to
make the external host's veth pair; CAP_NET_RAW for raw sockets."""
REQUIRED_CAPABILITIES: Final = sum(1 << number for number in CAPABILITIES.values())


def of_process(pid: int) -> int:
    """Open the network namespace of a process; the caller closes the descriptor.

    Raises OSError if the process does not exist.
    """
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def of_container(pid: int, identity: str) -> int:
    """Open the network namespace of a container's process; the caller closes the descriptor.

    Raises OSError if the process does not exist or does not belong to the container: the kernel may have reused the
    PID, or the engine may run in another PID namespace.
    """
    folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:  # the open descriptor of /proc/PID refers to this process even if the PID is reused later
        if not _is_of_container(folder, identity):
            raise ProcessLookupError(errno.ESRCH, f"process {pid} of this machine does not belong to it")
        return os.open("ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)


def _is_of_container(folder: int, identity: str) -> bool:
    """Whether a process belongs to the container with the ID `identity`.

    Its control group has the ID in its path. If the engine makes no control group for containers, the source of the
    bind mount of /etc/resolv.conf has it. The host too has mount points with the ID in their paths, so only the
    `root` field of mountinfo counts, not the mount point.
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
    """Open the network namespace of the calling thread; the caller closes the descriptor."""
    return os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)


def identity(descriptor: int) -> int:
    """Return the inode number of a namespace, which identifies it: namespaces(7)."""
    return os.fstat(descriptor).st_ino


def can_enter() -> bool:
    """Whether this process may enter every network namespace of this machine.

    That needs user ID 0 and CAPABILITIES in the initial user namespace. Root in a container or in another user
    namespace lacks them.
    """
    status = STATUS.read_text() if STATUS.exists() else ""
    effective = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return (
        os.geteuid() == 0
        and effective & REQUIRED_CAPABILITIES == REQUIRED_CAPABILITIES
        and UID_MAP.read_text().split() == INITIAL_UID_MAP
    )


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Enter a network namespace with the calling thread, and return to the previous one at the end.

    A socket that is opened inside stays in that namespace.
    """
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
    """Make a network namespace without a name and without a process; the caller closes the descriptor.

    The kernel removes the namespace and its interfaces when the last descriptor and socket close, even if the proof
    is killed.
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
    """Return the IPv6 addresses of the calling thread's namespace that the kernel does not use (yet).

    They are tentative during duplicate address detection (RFC 4862 section 5.4), for a second or two, or it failed.
    """
    lines = IF_INET6.read_text().splitlines() if IF_INET6.exists() else []
    found = (line.split() for line in lines)
    return {str(IPv6Address(bytes.fromhex(words[0]))) for words in found if int(words[4], 16) & UNUSABLE_FLAGS}


def _setns(descriptor: int) -> None:
    # Python 3.11 is supported, and os.setns exists from Python 3.12.
    _raise_on_error(LIBC.setns(descriptor, CLONE_NEWNET))


def _raise_on_error(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
