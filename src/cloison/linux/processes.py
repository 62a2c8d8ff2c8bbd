"""Processes of this network namespace, by the name that the kernel has of them (/proc/PID/comm, see proc(5)).

Rule: a process that ends meanwhile, or that this process may not look at, is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cloison.linux import netns

PROC: Final = Path("/proc")


def name(pid: int) -> str:
    """Return the name of a process (at most 15 bytes), empty when there is no such process."""
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text().strip()
    return ""


def named(program: str) -> Iterator[int]:
    """Yield the processes of a name that are in the calling thread's network namespace; others have other rules."""
    own_netns = (PROC / "thread-self/ns/net").stat().st_ino
    for entry in PROC.iterdir():
        with suppress(OSError):  # it ended meanwhile, or this process may not look at it
            if entry.name.isdecimal() and name(int(entry.name)) == program and _netns_inode(entry.name) == own_netns:
                yield int(entry.name)


def _netns_inode(pid: str) -> int:
    descriptor = netns.of_process(int(pid))
    try:
        return netns.identity(descriptor)
    finally:
        os.close(descriptor)
