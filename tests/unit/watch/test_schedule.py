"""When a project is proven: never at once with a change, never too often, and never much later than the interval."""

from __future__ import annotations

import pytest

from cloison.watch.schedule import FIRST_RETRY, JITTER, LONGEST_UNREST, REST_SHARE, SETTLE_SECONDS, Schedule


def proven(at: float = 0, took: float = 1, chance: float = 0) -> Schedule:
    """Return the schedule of a project that was proven."""
    found = Schedule(300)
    found.begun()
    found.ended(at, took, chance, is_proven=True)
    return found


def test_a_new_project_is_due_at_once_and_then_after_the_interval() -> None:
    assert 0 == Schedule(300).due
    assert 300 == proven().due
    assert 300 * (1 - JITTER) == proven(chance=1).due


def test_a_change_waits_until_it_has_settled() -> None:
    schedule = proven()
    schedule.changed(10)
    assert 10 + SETTLE_SECONDS == schedule.due
    schedule.changed(11)
    assert 11 + SETTLE_SECONDS == schedule.due
    schedule.begun()
    assert 300 == schedule.due


def test_changes_that_do_not_end_wait_no_longer_than_that() -> None:
    schedule = proven()
    for second in range(10, 100):
        schedule.changed(second)
    assert 10 + LONGEST_UNREST == schedule.due


def test_proofs_after_changes_take_a_fifth_of_the_time_at_most() -> None:
    schedule = proven(at=100, took=20)
    schedule.changed(100)
    assert 100 + 20 * REST_SHARE == schedule.due


def test_the_interval_counts_although_changes_go_on() -> None:
    schedule = proven(at=0, took=1000)
    schedule.changed(299)
    assert 300 == schedule.due


@pytest.mark.parametrize(("failures", "wait"), [(1, FIRST_RETRY), (3, FIRST_RETRY * 4), (50, 300)])
def test_what_failed_is_tried_again_later_each_time(failures: int, wait: float) -> None:
    schedule = Schedule(300)
    for _ in range(failures):
        schedule.ended(0, 1, 0, is_proven=False)
    assert wait == schedule.due
    schedule.ended(0, 1, 0, is_proven=True)
    assert 300 == schedule.due
