"""Limits a process to one large document at a time, so that its memory has a bound.

Decoding a proof takes up to five times its size (measured: 140 MB for 30 MB). Documents of at most LARGE_BYTES, which
are nearly all, are not limited.
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
    """The slot for a large document, which a request acquires only when it needs it."""

    def __init__(self) -> None:
        self.is_acquired = False

    def acquire_for(self, size: int | None) -> None:
        """Acquire the slot for a document of `size` bytes (None: not known); abort with 429 after TIMEOUT seconds."""
        if self.is_acquired or (size is not None and size <= LARGE_BYTES):
            return
        if not _SEMAPHORE.acquire(timeout=TIMEOUT):
            abort(429, "The ledger is processing other large proofs. Send it again in a moment.")
        self.is_acquired = True

    def release_slot(self) -> None:
        """Release the slot if it was acquired."""
        if self.is_acquired:
            self.is_acquired = False
            _SEMAPHORE.release()


@contextmanager
def upload_slot() -> Iterator[UploadSlot]:
    """Yield the slot, and release it at the end of the block."""
    slot = UploadSlot()
    try:
        yield slot
    finally:
        slot.release_slot()
