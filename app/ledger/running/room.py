"""Room in memory for proofs that are being read: a large one waits until another is done.

A document takes about ten times its bytes while it is read. Without this, a handful of large ones at once would take
the worker, and with it everybody else's answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

PATIENCE = 20.0  # seconds: below what the proxy waits for an answer


class NoRoom(Exception):  # noqa: N818 - it says what there was not
    """Others took all of it for too long."""


class Room:
    """So many bytes, for who comes first."""

    def __init__(self, size: int, patience: float = PATIENCE) -> None:
        self._free = self._size = size
        self._patience = patience
        self._changed = Condition()

    @contextmanager
    def of(self, needed: int) -> Iterator[None]:
        """Have room for so many bytes; NoRoom when there was none for too long."""
        taken = min(needed, self._size)
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= taken, self._patience):
                raise NoRoom
            self._free -= taken
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()
