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


class Interrupts:
    """The signals of this process."""

    def __init__(self) -> None:
        self.terminated = False
        """Whether SIGTERM came, whatever became of its exception."""
        self._holds = 0
        self._waiting: signal.Signals | None = None

    def answer(self) -> None:
        """Answer them from now on. A SIGINT that whoever started us has switched off stays off (nohup, a shell's &)."""
        signal.signal(signal.SIGTERM, self._came)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._came)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the end of this. Only the main thread is ever interrupted, so only it can hold."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds and self._waiting is not None:
                number, self._waiting = self._waiting, None
                self._end(number)

    def _came(self, number: int, _frame: FrameType | None) -> None:
        sent = signal.Signals(number)
        self.terminated |= sent is signal.SIGTERM
        if self._holds:
            self._waiting = sent
        else:
            self._end(sent)

    def _end(self, sent: signal.Signals) -> None:
        if sent is signal.SIGTERM:
            raise SystemExit(TERMINATED)
        raise KeyboardInterrupt


INTERRUPTS: Final = Interrupts()
