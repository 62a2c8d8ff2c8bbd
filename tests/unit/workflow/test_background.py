"""Work beside the prober: its result, its failure, and the end of the wait for it."""

from __future__ import annotations

import threading

import pytest

from cloison.errors import NotProven
from cloison.workflow import background


def fail() -> list[str]:
    """Fail as work does that meets what nobody expected."""
    raise KeyError("no such thing")


def test_a_failure_in_the_thread_is_a_failure_of_the_check() -> None:
    with pytest.raises(KeyError):
        background.result_within(background.started(fail), 10, "late")


def test_a_result_of_the_thread_is_returned() -> None:
    assert ["risk"] == background.result_within(background.started(lambda: ["risk"]), 10, "late")


def test_an_audit_that_does_not_end_is_given_up() -> None:
    ended = threading.Event()

    def hang() -> list[str]:
        ended.wait(10)
        return []

    try:
        with pytest.raises(NotProven, match="the proof's deadline of 1 s passed"):
            background.result_within(background.started(hang), 0.01, "the proof's deadline of 1 s passed")
    finally:
        ended.set()
