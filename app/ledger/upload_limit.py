"""One large document at a time, so that the memory of a process has a bound.

A proof takes up to five times its bytes while it is being read (measured: 30 MB take 140 MB more). Small ones, which is
nearly all of them, wait for nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from flask import abort

LARGE_BYTES: Final = 1 << 20
TIMEOUT: Final = 10  # seconds
_SEMAPHORE: Final = BoundedSemaphore(1)  # of this process


class UploadSlot:
    """The slot for a large document; taken when it turns out that one is needed."""

    def __init__(self) -> None:
        self.is_acquired = False

    def acquire_for(self, size: int | None) -> None:
        """Take the slot for so many bytes, None when that is not known; 429 when others need it for long."""
        if self.is_acquired or (size is not None and size <= LARGE_BYTES):
            return
        if not _SEMAPHORE.acquire(timeout=TIMEOUT):
            abort(429, "Other large proofs are being read. Send it again in a moment.")
        self.is_acquired = True

    def release_slot(self) -> None:
        """Let the next one in."""
        if self.is_acquired:
            self.is_acquired = False
            _SEMAPHORE.release()


@contextmanager
def upload_slot() -> Iterator[UploadSlot]:
    """Lend the slot, if it is needed."""
    slot = UploadSlot()
    try:
        yield slot
    finally:
        slot.release_slot()
