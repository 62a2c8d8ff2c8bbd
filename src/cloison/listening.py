"""Reads from the kernel who listens in the namespace where the calling thread stands.

The tables: https://docs.kernel.org/networking/proc_net_tcp.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cloison.flows import WILDCARD

LISTEN: Final = "0A"
"""The state of a socket that listens."""
MAPPED: Final = "0000000000000000FFFF0000"
"""How an IPv4 address begins in the table of IPv6."""


def tcp() -> Iterator[tuple[str, int]]:
    """Yield address and port of every listening TCP socket of this thread's namespace, as IPv4."""
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/thread-self/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            words = line.split()
            address, _, port = words[1].partition(":")
            if words[3] == LISTEN and (readable := _as_ipv4(address)):
                yield readable, int(port, 16)


def _as_ipv4(text: str) -> str:
    """Read an address of /proc/net/tcp or tcp6; empty for one that only IPv6 can reach."""
    if len(text) > 8:  # noqa: PLR2004  # hexadecimal digits of an IPv4 address
        if not int(text, 16):
            return WILDCARD  # `::` takes IPv4 too unless it was asked not to; its own namespace will tell
        if not text.startswith(MAPPED):
            return ""
        text = text[-8:]
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(text)))
