"""Advisory file locks that the kernel releases when the process that holds them ends.

Input: the name of a lock. Output: an open file descriptor, which is the lock, or None while another process holds it.
Rule: the process that acquires the lock of a resource knows that no other process uses the resource, so it may
remove what a killed run has left of it.
Source: flock(2), https://man7.org/linux/man-pages/man2/flock.2.html.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final


def _lock_folder() -> Path:
    """Return the folder of the lock files: one for all provers that run as root, else a folder of this user."""
    if os.geteuid() == 0:
        return Path("/run/cloison")
    parent = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "cloison"


FOLDER: Final = _lock_folder()


def acquire(name: str) -> int | None:
    """Acquire the lock `name` until the returned descriptor is closed; return None if another process holds it."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not os.fstat(descriptor).st_nlink:  # its last holder removed the file between open(2) and flock(2)
        os.close(descriptor)
        return None
    return descriptor


def lock_names(prefix: str) -> set[str]:
    """Return the names of all locks that begin with `prefix`, held or not, without the prefix."""
    return {path.name.removeprefix(prefix) for path in FOLDER.glob(f"{prefix}*")}


def read_holder(name: str) -> str:
    """Return the text that the holder has written into a lock file, empty if the file does not exist any more."""
    path = FOLDER / name
    with suppress(FileNotFoundError):
        return path.read_text()
    return ""


def release(name: str, descriptor: int) -> None:
    """Release a lock and remove its file; the name is not used again."""
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
