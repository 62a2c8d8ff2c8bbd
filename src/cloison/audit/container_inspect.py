"""Inspects running containers through /proc: capabilities, namespaces, mounts, devices, forwarding.

Input: containers, and paths of further engine sockets. Output: `ContainerPrivileges` (see
`findings.container_privileges`), from which `findings.container_risks` derives risks.
Rule: no program runs in a container and no file of it is opened. Its /dev is listed through a descriptor that was
opened with O_NOFOLLOW, because a container may replace a directory by a symbolic link to a path of the host. A process
belongs to the container whose ID is in its control group, so a reused PID is not mistaken for the container's.
Source: proc(5), capabilities(7), namespaces(7), user_namespaces(7).
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cloison.findings.container_privileges import ENGINE_SOCKETS, ContainerPrivileges, Mount, Process, Socket
from cloison.linux import netns
from cloison.model.facts import Container

PROC: Final = Path("/proc")
NAMESPACE_KINDS: Final = ("cgroup", "ipc", "net", "pid", "user", "uts")
NON_INTERFACES: Final = frozenset({"all", "default", "lo"})
"""Names under net.ipv4.conf that are no interface to another machine."""
MEM_MAJOR: Final = 1
"""MEM_MAJOR of linux/major.h."""
MEM_MINORS: Final = frozenset({1, 2, 4})
"""/dev/mem, /dev/kmem and /dev/port, which access the machine's memory: Documentation/admin-guide/devices.txt."""


@dataclass(frozen=True, slots=True)
class HostBaseline:
    """The host's own privileges, with which those of a container are compared."""

    host_capabilities: int
    namespaces: Mapping[str, int]
    mounts: Mapping[str, Sequence[Mount]]
    """The host's mounts by device number, such as "8:1"."""
    sockets: tuple[Socket, ...]


def read(containers: Iterable[Container], sockets: Iterable[str] = ()) -> list[ContainerPrivileges]:
    """Return the privileges of each running container; `sockets` are paths of further engine sockets."""
    running = [container for container in containers if container.pid]
    host, members, networks = _host(sockets), _processes_by_container(running), _networks_by_container(running)
    return [_inspect(container, host, members[container.identity], networks) for container in running]


def _inspect(
    container: Container, host: HostBaseline, members: Sequence[int], networks: Mapping[str, tuple[str, ...]]
) -> ContainerPrivileges:
    privileges = ContainerPrivileges(
        container.name, networks.get(container.name, ()), host_capabilities=host.host_capabilities, sockets=host.sockets
    )
    folder = PROC / str(container.pid)
    try:
        forwarding, forwarding_ipv6 = _forwarding(container.pid)
        return replace(
            privileges,
            processes=tuple(sorted({found for pid in {container.pid, *members} for found in _process(pid)})),
            shared=frozenset(kind for kind in NAMESPACE_KINDS if _namespace(folder, kind) == host.namespaces[kind]),
            mounts=tuple(_with_host_paths(_mounts(folder), host.mounts)),
            devices=tuple(sorted(_devices(folder))),
            forwarding=forwarding,
            forwarding_ipv6=forwarding_ipv6,
        )
    except OSError as error:
        return replace(privileges, unread_reason=f"{error.strerror}: {error.filename or folder}")


def _host(sockets: Iterable[str]) -> HostBaseline:
    own = PROC / "thread-self"  # not /proc/self: setns(2) moves other threads into other namespaces
    mounts = _mounts(own)
    by_device: dict[str, list[Mount]] = defaultdict(list)
    for mount in mounts:
        by_device[mount.device].append(mount)
    return HostBaseline(
        host_capabilities=int(_status(own)["CapBnd"], 16),
        namespaces={kind: _namespace(own, kind) for kind in NAMESPACE_KINDS},
        mounts=by_device,
        sockets=tuple(_sockets(mounts, {os.path.realpath(path) for path in (*ENGINE_SOCKETS, *sockets)})),
    )


def _namespace(folder: Path, kind: str) -> int:
    return (folder / "ns" / kind).stat().st_ino


def _networks_by_container(containers: Iterable[Container]) -> dict[str, tuple[str, ...]]:
    """Return the networks of every container; containers that share a namespace share its attachments."""
    by_namespace: dict[int, list[Container]] = defaultdict(list)
    for container in containers:
        with suppress(OSError):  # it has ended; _inspect reports that
            by_namespace[_namespace(PROC / str(container.pid), "net")].append(container)
    network_names = {
        key: sorted({s.network for c in group for s in c.attachments}) for key, group in by_namespace.items()
    }
    return {c.name: tuple(network_names[key]) for key, group in by_namespace.items() for c in group}


def _processes_by_container(containers: Sequence[Container]) -> dict[str, list[int]]:
    """Return the processes of every container, in one pass over all of them."""
    found: dict[str, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # the process has ended meanwhile
                groups = (entry / "cgroup").read_text()
                for container in containers:
                    if container.identity in groups:
                        found[container.identity].append(int(entry.name))
    return found


def _status(folder: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in (folder / "status").read_text(errors="replace").splitlines())
    return {key: value.strip() for key, _, value in pairs}


def _process(pid: int) -> Iterator[Process]:
    folder = PROC / str(pid)
    try:
        status, root = _status(folder), _root(folder)
    except (FileNotFoundError, ProcessLookupError):
        return  # the process has ended meanwhile
    real, effective, *_ = status["Uid"].split()
    yield Process(
        name=status["Name"],
        is_root=root in (int(real), int(effective)),
        effective=int(status["CapEff"], 16),
        permitted=int(status["CapPrm"], 16),
        bounding=int(status["CapBnd"], 16),
        no_new_privs=status["NoNewPrivs"] == "1",
    )


def _root(folder: Path) -> int:
    """Return the host's user ID that is 0 in a process's user namespace, -1 if none is."""
    for line in (folder / "uid_map").read_text().splitlines():
        inner, outer, _ = map(int, line.split())
        if inner == 0:
            return outer
    return -1


def _mounts(folder: Path) -> list[Mount]:
    """Parse /proc/PID/mountinfo: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html."""
    found = []
    for line in (folder / "mountinfo").read_text(errors="surrogateescape").splitlines():
        _, _, device, root, target, options, *_ = line.split(" ")
        writable = "rw" in options.split(",")
        found.append(Mount(device, _unescaped(root), _unescaped(target), writable))
    return found


def _unescaped(path: str) -> str:
    """Decode the octal escapes of mountinfo."""
    for escape, char in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        path = path.replace(escape, char)
    return path


def _with_host_paths(mounts: Iterable[Mount], on_host: Mapping[str, Sequence[Mount]]) -> Iterator[Mount]:
    """Yield the mounts with their source path on the host, empty if the host has not mounted their file system."""
    for mount in mounts:
        enclosing = [known for known in on_host.get(mount.device, ()) if _is_below(mount.root, known.root)]
        # The longest root is the nearest; of several mount points of one root, the shortest is the best known.
        nearest = max(enclosing, key=lambda known: (len(known.root), -len(known.target)), default=None)
        source = os.path.normpath(f"{nearest.target}/{_relative(mount.root, nearest.root)}") if nearest else ""
        yield replace(mount, source=source.replace("//", "/"))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _relative(path: str, folder: str) -> str:
    return path.removeprefix(folder.rstrip("/")).lstrip("/")


def _sockets(mounts: Sequence[Mount], paths: Iterable[str]) -> Iterator[Socket]:
    """Yield the engine sockets that exist, each with the device and the path of its file system."""
    for path in sorted(paths):
        with suppress(OSError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                continue
            enclosing = max((m for m in mounts if _is_below(path, m.target)), key=lambda m: len(m.target))
            yield Socket(path, enclosing.device, f"{enclosing.root.rstrip('/')}/{_relative(path, enclosing.target)}")


def _devices(folder: Path) -> Iterator[str]:
    """Yield the block devices and memory devices under /dev, which an engine gives to no container by default."""
    descriptor = os.open(folder / "root" / "dev", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISBLK(found.st_mode) or _is_memory(found):
                    yield f"/dev/{entry.name}"
    finally:
        os.close(descriptor)


def _is_memory(found: os.stat_result) -> bool:
    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    return stat.S_ISCHR(found.st_mode) and major == MEM_MAJOR and minor in MEM_MINORS


def _forwarding(pid: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the interfaces of a process's namespace that forward IPv4, and those that forward IPv6."""
    descriptor = netns.of_process(pid)
    try:
        with netns.inside(descriptor):
            return _forwarding_interfaces("ipv4"), _forwarding_interfaces("ipv6")
    finally:
        os.close(descriptor)


def _forwarding_interfaces(family: str) -> tuple[str, ...]:
    """Return the interfaces that forward, in the calling thread's namespace, which /proc/sys/net shows."""
    settings = sorted(Path(f"/proc/sys/net/{family}/conf").glob("*/forwarding"))
    return tuple(
        p.parent.name for p in settings if p.parent.name not in NON_INTERFACES and p.read_text().strip() == "1"
    )
