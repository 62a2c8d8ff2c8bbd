"""Single flight: concurrent callers of a slow function share one call."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock


class SingleFlight:
    """Runs at most one call of a function at a time; callers during that call get its result.

    A query to a database whose name does not resolve can block a thread for ten seconds. `/readyz` is requested every
    few seconds and must neither wait that long nor collect blocked threads.
    """

    def __init__(self, function: Callable[[], None], *, timeout: float) -> None:
        self._function = function
        self._timeout = timeout
        self._lock = Lock()
        self._running: Future[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="once")

    def __call__(self) -> None:
        """Raise what the function raised, or TimeoutError after `timeout` seconds."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._executor.submit(self._function)
            future = self._running
        future.result(self._timeout)
