"""Opens pyroute2's netlink clients, for interfaces, addresses, routes and nftables.

Rule: pyroute2 runs an event loop in every call and prints an exception that a signal handler raises in it, so signals
are deferred until the client is closed.
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
    """Yield a client for interfaces, addresses and routes of the calling thread's network namespace."""
    with SIGNALS.deferred(), IPRoute() as connection:
        yield connection


@contextmanager
def nftables(family: int = AF_UNSPEC) -> Iterator[NFTables]:
    """Yield a client for nftables in the calling thread's namespace, for one family (NFPROTO_*) or for all.

    Raises OSError if the kernel has no nf_tables.
    """
    with SIGNALS.deferred(), NFTables(nfgen_family=family) as connection:
        yield connection
