"""Moments as people say them: how long ago, how long, on which day.

Rule: the words are made here and the moment itself stands in the page's `<time datetime>`, so no script is needed.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
# From how many seconds on a length is told in which unit; the last that is reached counts.
UNITS: Final = (
    (MINUTE, MINUTE, "minute", "min"),
    (HOUR, HOUR, "hour", "h"),
    (2 * DAY, DAY, "day", "d"),
    (60 * DAY, 30 * DAY, "month", "mo"),
    (730 * DAY, 365 * DAY, "year", "y"),
)
CLOCK_SKEW: Final = timedelta(minutes=-2)  # less may be two clocks of one network, or the minute that `now` was cut to


def utc(moment: datetime) -> datetime:
    """Return a moment of the database, which keeps UTC and does not say so, as one that says it."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Return a moment as machines read it."""
    return utc(moment).isoformat(timespec="seconds").replace("+00:00", "Z")


def day(moment: datetime) -> str:
    """Return the day alone: `24 Nov 2026`."""
    return f"{utc(moment):%-d %b %Y}"


def time_of_day(moment: datetime) -> str:
    """Return the time of the day alone: `12:11`."""
    return f"{utc(moment):%H:%M}"


def clock(moment: datetime) -> str:
    """Return day and time: `24 Nov 2026, 12:11 UTC`."""
    return f"{day(moment)}, {time_of_day(moment)} UTC"


def duration(span: timedelta) -> str:
    """Return a length in its largest unit, rounded down."""
    number, unit, _ = _in_units(span)
    return f"{number} {unit}{'s'[: number != 1]}" if number else "less than a minute"


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was; one that is ahead is said to be, for then some clock is wrong."""
    span = utc(now) - utc(moment)
    if span < CLOCK_SKEW:
        return f"ahead of this clock by {duration(-span)}"
    return "just now" if span < timedelta(minutes=1) else f"{duration(span)} ago"


def short_age(moment: datetime, now: datetime) -> str:
    """Return the same for a badge: `3 h`."""
    span = utc(now) - utc(moment)
    number, _, sign = _in_units(span)
    if number:
        return f"{number} {sign}"
    return "ahead" if span < CLOCK_SKEW else "now"


def _in_units(span: timedelta) -> tuple[int, str, str]:
    seconds = int(span.total_seconds())
    reached = [(size, unit, sign) for least, size, unit, sign in UNITS if seconds >= least]
    if not reached:
        return 0, "", ""
    size, unit, sign = reached[-1]
    return seconds // size, unit, sign
