"""Asking a slow question once, however many want to know."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock


class Once:
    """One question at a time: who comes while it is being asked gets the same answer.

    A database whose name does not resolve can hold a thread for ten seconds. Readiness is asked every few seconds by
    several; it must neither wait that long nor collect such threads.
    """

    def __init__(self, ask: Callable[[], None], *, patience: float) -> None:
        self._ask = ask
        self._patience = patience
        self._lock = Lock()
        self._asked: Future[None] | None = None
        self._clerk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="once")

    def __call__(self) -> None:
        """Raise what the question raised, or TimeoutError after `patience` seconds."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._clerk.submit(self._ask)
            mine = self._asked
        mine.result(self._patience)
