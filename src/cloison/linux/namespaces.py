"""Finds the network namespaces of this machine, whether a container engine made them or not, and names them.

A namespace exists as long as a process or thread is in it, a file system of the type nsfs is mounted on a path, or a
process holds an open descriptor of it. All of these are read; the namespaces of this process alone are left out.

Input: /proc. Output: a `Namespace` for each inode number.
Rule: a path is opened only to compare the inode number at once, as the process behind /proc/PID may be another one.
Source: namespaces(7), proc_pid_mountinfo(5), cgroups(7), https://man7.org/linux/man-pages/man7/namespaces.7.html.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cloison.linux import netns, processes

PROC: Final = Path("/proc")
NETNS_PREFIX: Final = "net:["
"""The target of a link to a network namespace, and the `root` of its mount in mountinfo, is `net:[INODE]`."""
ROOT_FIELD, MOUNT_POINT_FIELD = 3, 4
"""Fields of a line of mountinfo."""
IP_NETNS_FOLDERS: Final = ("/run/netns/", "/var/run/netns/")
"""The folders in which ip-netns(8) mounts the namespaces that it names."""
CONTAINER_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""The ID of a container in the path of its control group; engines with the OCI runtime write it there."""
GROUP_NAMES: Final = (
    re.compile(r"/lxc(?:\.payload\.|/)([^/\s]+)"),
    re.compile(r"/machine-([^/\s]+)\.scope"),
    re.compile(r"/([^/\s]+\.service)(?:/|$)"),
)
"""Names in control groups: of an LXC container, a virtual machine or systemd-nspawn container, a unit of systemd."""
UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.@-]+")
"""Characters that the name of a place does not have."""


@dataclass(slots=True)
class Namespace:
    """A network namespace: the paths that open it, the processes in it, and the paths on which it is mounted."""

    inode: int
    paths: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    mount_points: list[str] = field(default_factory=list)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Yield an open descriptor; see `open`."""
        descriptor = self.open()
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open(self) -> int:
        """Open the namespace; the caller closes the descriptor.

        Raises OSError if none of its paths leads to it any more.
        """
        for path in self.paths:
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                if netns.identity(descriptor) == self.inode:
                    return descriptor
                os.close(descriptor)
        raise FileNotFoundError(f"the network namespace {self.inode} does not exist any more")

    @property
    def container_id(self) -> str:
        """The ID of the container, of whichever engine, to which a process in it belongs; empty for none."""
        found = (CONTAINER_ID.findall(_control_groups(pid)) for pid in self.pids)
        return next((identities[-1] for identities in found if identities), "")

    @property
    def name(self) -> str:
        """A name made of what is known: container, `ip netns`, LXC, machine, unit, process, or the inode number."""
        return UNSAFE.sub("-", next(self._names()))

    def _names(self) -> Iterator[str]:
        if self.container_id:
            yield f"container-{self.container_id[:12]}"
        for folder in IP_NETNS_FOLDERS:
            yield from (f"netns-{p.removeprefix(folder)}" for p in self.mount_points if p.startswith(folder))
        groups = "".join(map(_control_groups, self.pids))
        for pattern in GROUP_NAMES:
            yield from pattern.findall(groups)
        yield from (f"{processes.name(pid)}-{pid}" for pid in self.pids)
        yield f"netns-{self.inode}"

    @property
    def description(self) -> str:
        """What is known of it, as a phrase."""
        inside = ", ".join(f"{processes.name(pid)} (PID {pid})" for pid in self.pids[:3])
        known = [f"container {self.container_id}"] if self.container_id else []
        known += [f"mounted on {path}" for path in self.mount_points[:1]]
        known += [f"with {inside}" if inside else "without a process"]
        return f"network namespace {self.inode}, {', '.join(known)}"


def find() -> dict[int, Namespace]:
    """Return the network namespaces of this machine by their inode number."""
    found: dict[int, Namespace] = {}
    mount_namespaces: set[str] = set()
    for pid in sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()):
        folder = f"{PROC}/{pid}"
        if inode := _add(found, f"{folder}/ns/net"):
            found[inode].pids.append(pid)
        mounts = _target(f"{folder}/ns/mnt")
        if mounts and mounts not in mount_namespaces:
            mount_namespaces.add(mounts)
            _add_mounts(found, folder)
        if pid != os.getpid():  # its own threads and descriptors refer to namespaces of the proof
            _add_descriptors(found, folder)
            _add_threads(found, folder, pid)
    return found


def _add(found: dict[int, Namespace], path: str) -> int:
    """Add the network namespace of a link under /proc; return its inode number, 0 for another file."""
    target = _target(path)
    if not target.startswith(NETNS_PREFIX):
        return 0
    inode = int(target[len(NETNS_PREFIX) : -1])
    found.setdefault(inode, Namespace(inode)).paths.append(path)
    return inode


def _target(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  # tens of thousands of links
    except OSError:  # the process has ended, or this process may not look at it
        return ""


def _add_mounts(found: dict[int, Namespace], folder: str) -> None:
    """Add the network namespaces that are mounted in the mount namespace of a process."""
    with suppress(OSError):
        for line in Path(f"{folder}/mountinfo").read_text(errors="surrogateescape").splitlines():
            words = line.split(" ")
            if words[ROOT_FIELD].startswith(NETNS_PREFIX):
                inode, path = int(words[ROOT_FIELD][len(NETNS_PREFIX) : -1]), words[MOUNT_POINT_FIELD]
                namespace = found.setdefault(inode, Namespace(inode))
                namespace.paths.append(f"{folder}/root{path}")
                namespace.mount_points.append(path)


def _add_descriptors(found: dict[int, Namespace], folder: str) -> None:
    with suppress(OSError):
        for name in os.listdir(f"{folder}/fd"):  # noqa: PTH208  # tens of thousands of names
            _add(found, f"{folder}/fd/{name}")


def _add_threads(found: dict[int, Namespace], folder: str, pid: int) -> None:
    """Add the namespaces of the threads of a process: setns(2) and unshare(2) move one thread."""
    with suppress(OSError):
        for name in os.listdir(f"{folder}/task"):  # noqa: PTH208
            if name != str(pid):
                _add(found, f"{folder}/task/{name}/ns/net")


def _control_groups(pid: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "cgroup").read_text(errors="replace")
    return ""
