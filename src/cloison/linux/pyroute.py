"""What the kernel is asked over netlink: links, addresses, routes, and nftables.

Rule: pyroute2 runs a loop of its own in every call and prints whatever falls into it, so a signal waits for its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_UNSPEC

from pyroute2 import IPRoute
from pyroute2.nftables.main import NFTables

from cloison.linux.signals import SIGNALS


@contextmanager
def iproute() -> Iterator[IPRoute]:
    """Ask about links, addresses and routes of the namespace in which the calling thread stands."""
    with SIGNALS.deferred(), IPRoute() as connection:
        yield connection


@contextmanager
def nftables(family: int = AF_UNSPEC) -> Iterator[NFTables]:
    """Ask about nftables where the calling thread stands, of one family of `linux/netfilter.h` or of all.

    Raises OSError where the kernel has no nftables.
    """
    with SIGNALS.deferred(), NFTables(nfgen_family=family) as connection:
        yield connection
