"""Counting many visits in one transaction without losing or inventing one.

While one transaction is on its way to the disk, the visits that arrive wait for the next, and share it. So the
database does one commit for as many visits as came in meanwhile, an idle ledger answers at once, and nobody is told
a number that is not on disk. A visit that nobody answered may have been counted; one that was answered has been.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from ledger.store import Answer


class Tally:
    """Counts visits, each told the sum that includes it."""

    def __init__(self, count: Callable[[int], Answer], *, patience: float) -> None:
        self._count = count
        self._patience = patience
        self._lock = Lock()
        self._waiting = 0
        self._next: Future[Answer] | None = None
        self._clerk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tally")

    def visit(self) -> Answer:
        """Count one visit and wait until it is on disk; TimeoutError after `patience` seconds."""
        with self._lock:
            self._waiting += 1
            if self._next is None:
                self._next = self._clerk.submit(self._write_down)
            mine = self._next
        return mine.result(self._patience)

    def _write_down(self) -> Answer:
        with self._lock:
            more, self._waiting, self._next = self._waiting, 0, None
        return self._count(more)
