"""One large document at a time, so that the memory of a process has a bound.

A proof takes up to five times its bytes while it is being read (measured: 30 MB take 140 MB more). Small ones, which is
nearly all of them, wait for nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from flask import abort

LARGE: Final = 1 << 20  # bytes
PATIENCE: Final = 10  # seconds
_PLACE: Final = BoundedSemaphore(1)  # of this process


class Place:
    """The place for a large document; taken when it turns out that one is needed."""

    def __init__(self) -> None:
        self.is_taken = False

    def take_for(self, size: int | None) -> None:
        """Take the place for so many bytes, None when that is not known; 429 when others need it for long."""
        if self.is_taken or (size is not None and size <= LARGE):
            return
        if not _PLACE.acquire(timeout=PATIENCE):
            abort(429, "Other large proofs are being read. Send it again in a moment.")
        self.is_taken = True

    def give_back(self) -> None:
        """Let the next one in."""
        if self.is_taken:
            self.is_taken = False
            _PLACE.release()


@contextmanager
def place() -> Iterator[Place]:
    """Lend the place, if it is needed."""
    mine = Place()
    try:
        yield mine
    finally:
        mine.give_back()
