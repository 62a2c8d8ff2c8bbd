"""Asking a slow question once, however many want to know."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock


class SingleFlight:
    """One question at a time: who comes while it is being asked gets the same answer.

    A database whose name does not resolve can hold a thread for ten seconds. Readiness is asked every few seconds by
    several; it must neither wait that long nor collect such threads.
    """

    def __init__(self, ask: Callable[[], None], *, timeout: float) -> None:
        self._function = ask
        self._timeout = timeout
        self._lock = Lock()
        self._running: Future[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="once")

    def __call__(self) -> None:
        """Raise what the question raised, or TimeoutError after `timeout` seconds."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._executor.submit(self._function)
            future = self._running
        future.result(self._timeout)
