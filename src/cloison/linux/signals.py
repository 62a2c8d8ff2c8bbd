"""SIGINT and SIGTERM: they end the work where it can be ended, so that what was opened is closed.

Rule: a signal is answered by an exception of the main thread. Libraries with a loop of their own print it, or swallow
it, so it waits until such a call has ended (`held`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

TERMINATED: Final = 128 + signal.SIGTERM
"""The exit code of a command that was asked to end."""


class SignalHandler:
    """The signals of this process."""

    def __init__(self) -> None:
        self.terminated = False
        """Whether SIGTERM came, whatever became of its exception."""
        self._deferrals = 0
        self._pending: signal.Signals | None = None

    def install(self) -> None:
        """Answer them from now on. A SIGINT that whoever started us has switched off stays off (nohup, a shell's &)."""
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_signal)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a signal wait until the end of this. Only the main thread is ever interrupted, so only it can hold."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._deferrals += 1
        try:
            yield
        finally:
            self._deferrals -= 1
            if not self._deferrals and self._pending is not None:
                number, self._pending = self._pending, None
                self._raise(number)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        received = signal.Signals(number)
        self.terminated |= received is signal.SIGTERM
        if self._deferrals:
            self._pending = received
        else:
            self._raise(received)

    def _raise(self, received: signal.Signals) -> None:
        if received is signal.SIGTERM:
            raise SystemExit(TERMINATED)
        raise KeyboardInterrupt


SIGNALS: Final = SignalHandler()
