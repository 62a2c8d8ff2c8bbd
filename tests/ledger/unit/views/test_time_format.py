"""The format of times and ages."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.views import time_format

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "told", "short_age"),
    [
        (timedelta(seconds=-50), "just now", "now"),
        (timedelta(seconds=59), "just now", "now"),
        (timedelta(seconds=60), "1 minute ago", "1 min"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago", "59 min"),
        (timedelta(hours=1), "1 hour ago", "1 h"),
        (timedelta(hours=47, minutes=59), "47 hours ago", "47 h"),
        (timedelta(days=2), "2 days ago", "2 d"),
        (timedelta(days=59), "59 days ago", "59 d"),
        (timedelta(days=60), "2 months ago", "2 mo"),
        (timedelta(days=730), "2 years ago", "2 y"),
    ],
)
def test_an_age_is_shown_in_its_largest_unit(before: timedelta, told: str, short_age: str) -> None:
    assert (told, short_age) == (time_format.age(NOW - before, NOW), time_format.short_age(NOW - before, NOW))


def test_a_time_in_the_future_is_reported() -> None:
    assert time_format.age(NOW + timedelta(days=3), NOW) == "ahead of this clock by 3 days"
    assert time_format.short_age(NOW + timedelta(days=3), NOW) == "ahead"


def test_a_moment_of_the_database_is_utc() -> None:
    assert time_format.iso(datetime(2026, 1, 2, 3, 4, 5)) == "2026-01-02T03:04:05Z"  # noqa: DTZ001 - as the database gives it
    assert time_format.clock(NOW) == "24 Nov 2026, 12:00:00 UTC"
    assert time_format.day(NOW) == "24 Nov 2026"


@pytest.mark.parametrize(
    ("ago", "is_current"),
    [
        (timedelta(0), True),
        (timedelta(days=2), True),
        (timedelta(days=2, seconds=1), False),
        (timedelta(minutes=-2), True),
        (timedelta(minutes=-3), False),
    ],
)
def test_a_verdict_is_current_for_a_while(ago: timedelta, is_current: bool) -> None:
    assert is_current is time_format.is_current(NOW - ago, NOW, timedelta(days=2))
