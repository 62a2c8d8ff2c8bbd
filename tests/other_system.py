"""Runs the command on Linux with what another operating system lacks taken away.

    python tests/other_system.py darwin|win32 ARGUMENT...

What comes from Python and from other packages is loaded before, because their variants for that system are not on this
one; so it is this project's own code that is tried. Source: the lines "Availability" of https://docs.python.org/3/library/.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

BEFORE: Final = (
    "asyncio",
    "click",
    "concurrent.futures",
    "dns.exception",
    "msgspec",
    "ssl",
    "tempfile",
    "urllib.request",
)
LINUX_MODULES: Final = frozenset({"pyroute2"})
"""It can be installed elsewhere, and works on Linux."""
UNIX_MODULES: Final = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"})
LINUX_NAMES: Final = (
    (socket, ("AF_NETLINK", "AF_PACKET", "SO_BINDTODEVICE", "SO_PEERCRED")),
    (os, ("memfd_create", "pidfd_open", "sched_getaffinity", "setns", "unshare")),
)
UNIX_NAMES: Final = (
    (socket, ("AF_UNIX",)),
    (os, ("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "geteuid", "getuid", "killpg", "setsid", "uname")),
    (signal, ("SIGHUP", "SIGKILL", "pthread_sigmask")),
)


class Missing:
    """A finder of modules that does not find some."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(self, name: str, *_others: object) -> ModuleSpec | None:
        """Refuse a module that the other system does not have."""
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def _forget(modules: frozenset[str], names: tuple[tuple[ModuleType, tuple[str, ...]], ...]) -> None:
    for loaded in [*sys.modules]:
        if loaded.partition(".")[0] in modules:
            del sys.modules[loaded]
    sys.meta_path.insert(0, Missing(modules))
    for module, missing in names:
        for name in missing:
            if hasattr(module, name):
                delattr(module, name)


def main(system: str, words: list[str]) -> None:
    """Run the command as on another system."""
    for name in BEFORE:
        importlib.import_module(name)
    sysconfig.get_config_vars()  # they are read from a module that is named after the system
    if system == "win32":
        _forget(LINUX_MODULES | UNIX_MODULES, (*LINUX_NAMES, *UNIX_NAMES))
        library = ctypes.CDLL
        ctypes.CDLL = lambda name, *others, **named: _load(library, name, *others, **named)  # type: ignore[assignment,misc]
    else:
        _forget(LINUX_MODULES, LINUX_NAMES)
    sys.platform = system
    importlib.import_module("cloison.entry").main(words)


def _load(library: Any, name: str | None, *others: Any, **named: Any) -> Any:
    """Load a library; Windows has no handle of the program itself, which is what None stands for elsewhere."""
    if name is None:
        raise TypeError("the name of a library is missing")
    return library(name, *others, **named)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
