"""Handles SIGINT and SIGTERM: they raise an exception in the main thread, so that every resource is released.

Rule: SIGTERM raises SystemExit(143), SIGINT raises KeyboardInterrupt. A library with an event loop prints or ignores
such an exception, so a signal during its call is deferred until the call has ended (`deferred`).
Source: signal(7), https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

TERMINATED: Final = 128 + signal.SIGTERM
"""The exit code of a command that SIGTERM ended."""


class SignalHandler:
    """The signal handler of this process."""

    def __init__(self) -> None:
        self.terminated = False
        """Whether SIGTERM has arrived, even if its exception was lost."""
        self._deferrals = 0
        self._pending: signal.Signals | None = None

    def install(self) -> None:
        """Install the handlers. SIGINT stays ignored if the parent process ignores it (nohup, a shell's `&`)."""
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_signal)

    def restore(self) -> None:
        """Restore the kernel's default actions: a further signal ends the process at once, without a traceback."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_DFL)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer signals until the end of this context, in the main thread; Python runs handlers in no other thread."""
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
