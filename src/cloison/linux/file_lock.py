"""Locks between the processes of one machine: flock(2), which the kernel drops with the last process that has it open.

Output: descriptors of locked files in one folder.
Rule: a process that gets a lock may remove everything that a killed process left under its name.

A library such as `filelock` unlocks when its object goes. Here a lock is its descriptor, which Compose inherits, so the
lock of a rehearsal lasts until both processes have ended.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final


def _lock_folder() -> Path:
    """Return the folder that all provers of this machine share; without root, which proving needs, the user's own."""
    if os.geteuid() == 0:
        return Path("/run/cloison")
    parent = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "cloison"


FOLDER: Final = _lock_folder()


def acquire(name: str) -> int | None:
    """Lock the file called `name` until its descriptor is closed everywhere; None when another process holds it.

    Raises OSError when the folder cannot be written.
    """
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not os.fstat(descriptor).st_nlink:  # its last holder removed the file between the two calls
        os.close(descriptor)
        return None
    return descriptor


def lock_names(prefix: str) -> set[str]:
    """Return the rest of the names of all locks with this prefix, held or not."""
    return {path.name.removeprefix(prefix) for path in FOLDER.glob(f"{prefix}*")}


def read_holder(name: str) -> str:
    """Return the text that the holder of a lock has written into its file, empty when the lock is gone."""
    path = FOLDER / name
    with suppress(FileNotFoundError):
        return path.read_text()
    return ""


def release(name: str, descriptor: int) -> None:
    """Remove a lock whose name will not be used again, and unlock it."""
    (FOLDER / name).unlink(missing_ok=True)
    os.close(descriptor)


def sweep(prefix: str, names: Iterable[str], remove: Callable[[str], object] = lambda _: None) -> set[str]:
    """Call `remove` for each of the names whose lock no process holds, and return these names.

    The lock is held meanwhile and removed afterwards, whether `remove` raises or not.
    """
    swept = set()
    for name in sorted(names):
        descriptor = acquire(prefix + name)
        if descriptor is None:
            continue
        try:
            remove(name)
        finally:
            release(prefix + name, descriptor)
        swept.add(name)
    return swept
