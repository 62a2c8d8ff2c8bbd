"""Opens pyroute2's netlink clients, for interfaces, addresses, routes and nftables.

Rule: pyroute2 runs an event loop in every call and prints an exception that a signal handler raises in it, so signals
are deferred until the client is closed.
Every other module takes the names of pyroute2 from here, so that this module decides what of it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from socket import AF_UNSPEC
from typing import Any, Final

from cloison.linux.signals import SIGNALS

LIBRARY: Final = "pyroute2"


def _defer_contents() -> None:
    """Put the library's package into sys.modules without running its `__init__`, which imports all its clients.

    They take as long to import as the two that are used, and include databases. A name that only `__init__` defines
    runs it when the name is used.
    """
    spec = find_spec(LIBRARY)
    if LIBRARY in sys.modules or spec is None or spec.loader is None:
        return  # the import below says what is wrong
    loader, package = spec.loader, module_from_spec(spec)

    def contents(name: str) -> Any:
        """Return what a module's `__getattr__` returns (PEP 562); a submodule is left to the import statement."""
        if name.startswith("__") or find_spec(f"{LIBRARY}.{name}"):
            raise AttributeError(name)
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = contents
    sys.modules[LIBRARY] = package


_defer_contents()

from pyroute2.iproute.linux import IPRoute  # noqa: E402  # after the package was put in place
from pyroute2.netlink.exceptions import NetlinkError  # noqa: E402  # same
from pyroute2.nftables.main import NFTables  # noqa: E402  # same

__all__ = ["IPRoute", "NFTables", "NetlinkError", "iproute", "nftables"]


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
