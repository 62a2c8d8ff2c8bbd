"""Runs the audit in a thread beside the prober, whose waits it uses.

Input: a function. Output: its result, or the exception that ended it, within a time.
Rule: the thread does not outlive the command, and this module imports nothing that is slow.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from cloison.errors import NotProven

R = TypeVar("R")


def started(work: Callable[[], R]) -> Future[R]:
    """Start `work` in a thread that does not outlive the command, and return its result to come."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # the thread that asks for the result gets it
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def result_within(future: Future[R], seconds: float, reason: str) -> R:
    """Return a result. Raises NotProven with `reason` if it takes longer than `seconds`."""
    try:
        return future.result(timeout=seconds)
    except TimeoutError as error:
        raise NotProven(reason) from error
