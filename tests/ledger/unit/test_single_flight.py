"""Single flight: concurrent callers share one call."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.single_flight import SingleFlight


def test_concurrent_callers_share_one_call() -> None:
    asked: list[int] = []
    go = threading.Event()

    def ask() -> None:
        asked.append(1)
        go.wait(5)

    once = SingleFlight(ask, timeout=5)
    with ThreadPoolExecutor(8) as crowd:
        waiting = [crowd.submit(once) for _ in range(8)]
        threading.Event().wait(0.05)
        go.set()
        for each in waiting:
            each.result()

    assert asked == [1]


def test_a_later_caller_starts_a_new_call() -> None:
    asked: list[int] = []
    once = SingleFlight(lambda: asked.append(1), timeout=5)
    once()
    once()

    assert asked == [1, 1]


def test_a_blocked_call_uses_one_thread_and_callers_time_out() -> None:
    go = threading.Event()

    def ask() -> None:
        go.wait(5)

    once = SingleFlight(ask, timeout=0.02)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            once()
    go.set()

    assert sum(thread.name.startswith("once") for thread in threading.enumerate()) >= 1
