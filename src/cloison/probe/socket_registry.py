"""Registers the prober's own sockets, so that every prover of the machine can tell them from a service's.

Output: the inode numbers of all registered sockets. A registration is a locked file with one inode a line.
Rule: a socket is registered before it is bound, so no listener of a prover can be seen that is not registered. The
kernel drops the lock with the process, and the next prover removes the file of a killed one.
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
    """Provide a function that registers a socket; leave this context after the last one is closed.

    Raises NotProven when the file of the registration cannot be locked.
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
    for _ in range(TRIES):  # another prover that sweeps may hold a new file for a moment
        name = LOCK + secrets.token_hex(8)
        lock = file_lock.acquire(name)
        if lock is not None:
            return name, lock
    raise NotProven(f"{file_lock.FOLDER}: another process removed the lock file {TRIES} times; find out which one")
