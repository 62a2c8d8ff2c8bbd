"""Formats times and durations for pages: age, length, day and time.

Rule: the server formats the text, and `<time datetime>` has the exact time, so that no script is needed.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
# humanize would save ten lines here, but has no short form for the badge and no word for a clock that is ahead.
# (from how many seconds on, seconds of the unit, name, short name); the last row that applies counts.
UNITS: Final = (
    (MINUTE, MINUTE, "minute", "min"),
    (HOUR, HOUR, "hour", "h"),
    (2 * DAY, DAY, "day", "d"),
    (60 * DAY, 30 * DAY, "month", "mo"),
    (730 * DAY, 365 * DAY, "year", "y"),
)
CLOCK_SKEW: Final = timedelta(minutes=-2)  # tolerates two clocks of one network, and `now` at the start of its minute


def utc(moment: datetime) -> datetime:
    """Return a time with the zone UTC; a time without a zone, as the database stores it, is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Return a time in the format of RFC 3339."""
    return utc(moment).isoformat(timespec="seconds").replace("+00:00", "Z")


def day(moment: datetime) -> str:
    """Return the day alone: `24 Nov 2026`."""
    return f"{utc(moment):%-d %b %Y}"


def time_of_day(moment: datetime) -> str:
    """Return the time of the day alone, with seconds, because two proofs may be of one minute: `12:11:09`."""
    return f"{utc(moment):%H:%M:%S}"


def clock(moment: datetime) -> str:
    """Return day and time: `24 Nov 2026, 12:11:09 UTC`."""
    return f"{day(moment)}, {time_of_day(moment)} UTC"


def duration(span: timedelta) -> str:
    """Return a duration in its largest unit, rounded down."""
    number, unit, _ = _in_units(span)
    return f"{number} {unit}{'s'[: number != 1]}" if number else "less than a minute"


def age(moment: datetime, now: datetime) -> str:
    """Return the age of a time; a time in the future is reported as such, because a clock is wrong."""
    span = utc(now) - utc(moment)
    if span < CLOCK_SKEW:
        return f"ahead of this clock by {duration(-span)}"
    return "just now" if span < timedelta(minutes=1) else f"{duration(span)} ago"


def short_age(moment: datetime, now: datetime) -> str:
    """Return the age in short form for a badge: `3 h`."""
    span = utc(now) - utc(moment)
    number, _, sign = _in_units(span)
    if number:
        return f"{number} {sign}"
    return "ahead" if span < CLOCK_SKEW else "now"


def is_current(moment: datetime, now: datetime, longest: timedelta) -> bool:
    """Return whether a time is at most `longest` ago, and not in the future."""
    return CLOCK_SKEW <= utc(now) - utc(moment) <= longest


def _in_units(span: timedelta) -> tuple[int, str, str]:
    seconds = int(span.total_seconds())
    reached = [(size, unit, sign) for least, size, unit, sign in UNITS if seconds >= least]
    if not reached:
        return 0, "", ""
    size, unit, sign = reached[-1]
    return seconds // size, unit, sign
