"""Receives the kernel's notices about interfaces and packet filters of the calling thread's network namespace.

Output: file descriptors that become readable, and whether one of the notices matters.
Rule: a notice says that something changed and never what is true now; the receiver reads that again. When the kernel
has dropped notices (ENOBUFS), that counts as one.
Source: rtnetlink(7); RTNLGRP_LINK of linux/rtnetlink.h, NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cloison.linux import netlink
from cloison.linux.conntrack import NETLINK_NETFILTER
from cloison.linux.netlink import NETLINK_ROUTE

RTMGRP_LINK: Final = 1 << 0
"""The bit of RTNLGRP_LINK (1): interfaces appear, change and go."""
NFTABLES_GROUP: Final = 1 << 6
"""The bit of NFNLGRP_NFTABLES (7): tables, chains, rules and sets change."""


@contextmanager
def link_notices() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable when an interface changes."""
    with _subscribed(NETLINK_ROUTE, RTMGRP_LINK) as found:
        yield found


@contextmanager
def rule_notices() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable when rules of nftables change, ours included."""
    with _subscribed(NETLINK_NETFILTER, NFTABLES_GROUP) as found:
        yield found


@contextmanager
def _subscribed(protocol: int, groups: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol) as found:
        found.bind((0, groups))
        yield found


def drained(sock: socket.socket, about: bytes = b"") -> bool:
    """Read all notices that wait, and return whether there was one with the name `about`, or any if that is empty.

    A notice has names as text with a final 0. Where the kernel dropped notices, one may have been about it.
    """
    found = False
    while True:
        try:
            notice = sock.recv(netlink.BUFFER_SIZE)
            found |= not about or about + b"\0" in notice
        except BlockingIOError:
            return found
        except OSError:  # ENOBUFS
            found = True
