"""Locks that the kernel drops with the process that holds them.

Rule: whoever gets the lock of a thing knows that nobody works on it any more, and may remove what
a killed run has left of it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final


def _lock_folder() -> Path:
    """Return the folder that all provers of this machine share; who may not prove here needs none but his own."""
    if os.geteuid() == 0:
        return Path("/run/cloison")
    parent = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "cloison"


FOLDER: Final = _lock_folder()


def acquire(name: str) -> int | None:
    """Take the lock called `name` for as long as its descriptor lives; None when somebody else holds it."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not os.fstat(descriptor).st_nlink:  # between the two calls its last holder gave it back for good
        os.close(descriptor)
        return None
    return descriptor


def lock_names(prefix: str) -> set[str]:
    """Return what follows `prefix` in the names of locks, held or not."""
    return {path.name.removeprefix(prefix) for path in FOLDER.glob(f"{prefix}*")}


def read_holder(name: str) -> str:
    """Return what the holder of a lock has written into it, empty when there is no such lock any more."""
    path = FOLDER / name
    with suppress(FileNotFoundError):
        return path.read_text()
    return ""


def release(name: str, descriptor: int) -> None:
    """Give a lock back whose name will not be used again."""
    (FOLDER / name).unlink(missing_ok=True)
    os.close(descriptor)
