"""Finds what one prover leaves on the machine: its locks, its links and its processes.

Input: the number of a prover's process, or the names of its locks. Output: names that exist.
Rule: a test asks for the left-overs of its own prover. Other provers run on this machine at the same time, so the
number of all locks, links or network namespaces proves nothing.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloison.linux import file_lock
from cloison.observe import external_host
from cloison.probe import socket_registry

SEGMENT = "segment-"


def soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Wait up to `seconds` for a condition: the kernel removes a network namespace in its own time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def held_locks(process: int) -> set[str]:
    """Return the names of the lock files that a process has open; an ended process has none."""
    names = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                opened = descriptor.readlink()
                names |= {opened.name} if opened.parent == file_lock.FOLDER else set()
    return names


def links(locks: Iterable[str]) -> set[str]:
    """Return the links that exist on the segments whose locks a prover held."""
    shown = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True)
    names = {line.split(": ")[1].partition("@")[0] for line in shown.stdout.splitlines()}
    return names & {
        f"{external_host.LINK_PREFIX}{name.removeprefix(SEGMENT)}" for name in locks if name.startswith(SEGMENT)
    }


def registrations(locks: Iterable[str]) -> set[str]:
    """Return the registrations of sockets that still exist among a prover's locks."""
    return {name for name in locks if name.startswith(socket_registry.LOCK) and (file_lock.FOLDER / name).exists()}


def session(leader: int) -> set[int]:
    """Return the processes of the session that a prover leads; `start_new_session=True` makes it the leader."""
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(OSError):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                found |= {int(path.name)} if int(fields[3]) == leader and fields[0] != "Z" else set()
    return found


def own_namespaces() -> tuple[list[str], set[str]]:
    """Return the network namespaces that this process has open, one a descriptor, and those that its threads are in."""
    folder = Path("/proc/self")
    opened = sorted(name for name in map(_target, (folder / "fd").iterdir()) if name.startswith("net:"))
    return opened, {_target(path) for path in folder.glob("task/*/ns/net")}


def _target(path: Path) -> str:
    with suppress(OSError):
        return os.readlink(path)  # noqa: PTH115  # a Path would read "net:[4026531840]" as a relative file name
    return ""


@contextmanager
def recorded_locks() -> Iterator[set[str]]:
    """Collect the names of the locks that this process takes."""
    names: set[str] = set()
    real = file_lock.acquire

    def acquire(name: str) -> int | None:
        lock = real(name)
        names.update({name} if lock is not None else ())
        return lock

    file_lock.acquire = acquire
    try:
        yield names
    finally:
        file_lock.acquire = real
