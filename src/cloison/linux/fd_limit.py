"""Raises this process's limit of open files (RLIMIT_NOFILE) to the number that a proof needs.

Input: the number of network namespaces. Output: none; the soft limit is raised, the hard one if that is permitted.
Rule: the limit is raised before the first probe. If open(2) fails with EMFILE later, a kernel table cannot be read,
and an empty table would look like an isolated container.
Source: getrlimit(2), https://man7.org/linux/man-pages/man2/getrlimit.2.html.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from cloison.errors import NotProven

OPEN_FDS: Final = Path("/proc/self/fd")
FDS_PER_NAMESPACE: Final = 16
"""Descriptors a namespace: itself, its sockets for both IP versions, and the link of its BPF program."""
FDS_RESERVE: Final = 128
"""Descriptors for the engine's connections, netlink sockets, and files under /proc."""


def raise_limit(namespaces: int) -> None:
    """Raise the limit of open files for probe sockets in `namespaces` network namespaces.

    Raises NotProven if this process may not open so many files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(list(OPEN_FDS.iterdir())) + FDS_PER_NAMESPACE * namespaces + FDS_RESERVE
    if needed > soft:
        with suppress(ValueError, PermissionError, OSError):  # a limit above `hard` needs CAP_SYS_RESOURCE
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, hard), max(needed, hard)))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > allowed:
        raise NotProven(
            f"probing {namespaces} network namespaces needs about {needed} open files, and the limit of this process "
            f"is {allowed}; raise it: ulimit -n {needed}"
        )
