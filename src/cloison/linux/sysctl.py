"""Settings of the kernel in the calling thread's network namespace, read from /proc/sys.

Source: https://docs.kernel.org/admin-guide/sysctl/net.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROC_SYS: Final = Path("/proc/sys")


def setting(name: str) -> str:
    """Return a setting by its path below /proc/sys, empty when it cannot be read.

    A path, because the dotted form is ambiguous: an interface may have a dot in its name.
    """
    try:
        return (PROC_SYS / name).read_text().strip()
    except OSError:
        return ""
