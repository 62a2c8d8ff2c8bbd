"""Waits until sockets have something to read.

Rule: by poll(2), as select(2) knows no descriptor above 1023, and the posts of a hundred containers
hold more than that: https://man7.org/linux/man-pages/man2/select.2.html
"""

from __future__ import annotations

import select
import socket
from collections.abc import Collection


def readable(sockets: Collection[socket.socket], seconds: float) -> list[socket.socket]:
    """Return the sockets that have something to read, waiting `seconds` at most for the first."""
    by_descriptor = {sock.fileno(): sock for sock in sockets}
    poller = select.poll()
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poller.poll(max(0, seconds) * 1000)]
