"""Tells the provers of one machine from its services: every socket of theirs on which something could arrive.

Rule: a socket is announced before it is bound, so nobody can see one that is not announced. The
announcement is a file that lives as long as its lock: the kernel drops the lock with the process,
and the next prover removes what a killed one left.
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
    """Have a way to announce sockets, for as long as they may be open.

    Raises NotProven when no file can be had for it.
    """
    _remove_leftovers()
    name, lock = _create_file()
    try:
        yield lambda made: _register(lock, made)
    finally:
        file_lock.release(name, lock)


def registered_inodes() -> set[int]:
    """Return the kernel's numbers of all sockets that provers on this machine have announced."""
    return {int(word) for name in file_lock.lock_names(LOCK) for word in file_lock.read_holder(LOCK + name).split()}


def _register(lock: int, made: socket.socket) -> None:
    os.write(lock, f"{os.fstat(made.fileno()).st_ino}\n".encode())


def _create_file() -> tuple[str, int]:
    for _ in range(TRIES):  # a sweeping neighbour may hold a fresh file for a moment
        name = LOCK + secrets.token_hex(8)
        lock = file_lock.acquire(name)
        if lock is not None:
            return name, lock
    raise NotProven(f"no file in {file_lock.FOLDER} could be kept; what else removes files there?")


def _remove_leftovers() -> None:
    for name in file_lock.lock_names(LOCK):
        lock = file_lock.acquire(LOCK + name)
        if lock is not None:
            file_lock.release(LOCK + name, lock)
