"""Has this process allowed as many open files as a proof needs.

Rule: it is settled before anything is looked at. Where files run out in between, half of what reads
the kernel's tables would find them empty, and an empty table looks like an isolated container.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from cloison.errors import NotProven

OPEN: Final = Path("/proc/self/fd")
A_POST: Final = 16
"""A namespace, its sockets in both versions of IP, and its guard."""
BESIDE: Final = 128
"""The engine's connections, netlink, and what is read in passing."""


def allow(posts: int) -> None:
    """Raise the limit to what `posts` posts need.

    Raises NotProven where this process may not open so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(list(OPEN.iterdir())) + A_POST * posts + BESIDE
    if needed > soft:
        with suppress(ValueError, PermissionError, OSError):  # more than `hard` is for some administrators only
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, hard), max(needed, hard)))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > allowed:
        raise NotProven(
            f"looking at {posts} places takes about {needed} open files, and this process may have {allowed}; "
            f"raise the limit: ulimit -n {needed}"
        )
