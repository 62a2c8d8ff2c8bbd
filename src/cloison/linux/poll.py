"""Waits until sockets are readable.

Rule: poll(2) is used because select(2) supports no descriptor above 1023 (FD_SETSIZE), and the probe sockets of a
hundred containers have higher ones: https://man7.org/linux/man-pages/man2/select.2.html
"""

from __future__ import annotations

import select
import socket
from collections.abc import Collection


def readable(sockets: Collection[socket.socket], seconds: float) -> list[socket.socket]:
    """Return the readable sockets (POLLIN), after `seconds` at the latest; an empty list if none became readable."""
    by_descriptor = {sock.fileno(): sock for sock in sockets}
    poller = select.poll()
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poller.poll(max(0, seconds) * 1000)]
