"""Finds the processes that hold a tap interface, such as a virtual machine: packets to the interface go to them.

Input: the name and the index of an interface. Output: names and PIDs.
Rule: a descriptor of /dev/net/tun names its interface in fdinfo (`iff:`); a macvtap has a device file /dev/tapINDEX.
Source: tun_chr_show_fdinfo in drivers/net/tun.c, https://docs.kernel.org/networking/tuntap.html.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cloison.linux import processes
from cloison.linux.processes import PROC

TUN: Final = "/dev/net/tun"


def holders(name: str, index: int) -> list[str]:
    """Return the processes that hold the tap interface `name`, as `NAME (PID n)`, in the order of their PIDs."""
    pids = sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [f"{processes.name(pid)} (PID {pid})" for pid in pids if any(_held(pid, name, index))]


def _held(pid: int, name: str, index: int) -> Iterator[bool]:
    folder = PROC / str(pid)
    with suppress(OSError):  # the process has ended, or this process may not look at it
        for descriptor in os.listdir(folder / "fd"):  # noqa: PTH208
            target = _target(folder / "fd" / descriptor)
            if target == f"/dev/tap{index}":
                yield True
            elif target == TUN:
                yield f"iff:\t{name}\n" in (folder / "fdinfo" / descriptor).read_text()


def _target(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  # its cost counts: there are tens of thousands
    except OSError:
        return ""
