"""Registers the sockets of all provers on this machine, so that none is mistaken for a service's listening socket.

Input: a socket, before bind(2). Output: the inode numbers of all registered sockets.
Rule: a socket is registered before it is bound, so /proc/net never shows a prober's socket that is not registered.
A registration is a line of a locked file; the kernel releases the lock when the prober ends, and the next prober
removes the file.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cloison.errors import NotProven
from cloison.linux import file_lock

LOCK: Final = "sockets-"
TRIES: Final = 8
RegisterSocket = Callable[[socket.socket], None]


@contextmanager
def registration() -> Iterator[RegisterSocket]:
    """Yield the function that registers a socket; leave this context after the sockets are closed.

    Raises NotProven if no registry file can be made.
    """
    file_lock.sweep(LOCK, file_lock.lock_names(LOCK))
    name, lock = _create_file()
    try:
        yield lambda made: _register(lock, made)
    finally:
        file_lock.release(name, lock)


def registered_inodes() -> set[int]:
    """Return the inode numbers of all sockets that provers on this machine have registered."""
    return {int(word) for name in file_lock.lock_names(LOCK) for word in file_lock.read_holder(LOCK + name).split()}


def _register(lock: int, made: socket.socket) -> None:
    os.write(lock, f"{os.fstat(made.fileno()).st_ino}\n".encode())


def _create_file() -> tuple[str, int]:
    for _ in range(TRIES):  # another prober's _remove_leftovers may hold a new file for a moment
        name = LOCK + secrets.token_hex(8)
        lock = file_lock.acquire(name)
        if lock is not None:
            return name, lock
    raise NotProven(f"{file_lock.FOLDER}: another process removed the lock file {TRIES} times; find out which one")
