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

OPEN_FDS: Final = Path("/proc/self/fd")
FDS_PER_NAMESPACE: Final = 16
"""A namespace, its sockets in both versions of IP, and its guard."""
FDS_RESERVE: Final = 128
"""The engine's connections, netlink, and what is read in passing."""


def raise_limit(namespaces: int) -> None:
    """Raise the limit to what `posts` posts need.

    Raises NotProven where this process may not open so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(list(OPEN_FDS.iterdir())) + FDS_PER_NAMESPACE * namespaces + FDS_RESERVE
    if needed > soft:
        with suppress(ValueError, PermissionError, OSError):  # more than `hard` is for some administrators only
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, hard), max(needed, hard)))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > allowed:
        raise NotProven(
            f"looking at {namespaces} places takes about {needed} open files, and this process may have {allowed}; "
            f"raise the limit: ulimit -n {needed}"
        )
