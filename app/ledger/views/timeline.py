"""Draws the intervals of a connection as an SVG band: full height when open, thin when closed, hatched when unknown.

Rule: colour is never the only sign; the height shows the state too, and the table beside it has the words (WCAG 2.2,
1.4.1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from markupsafe import Markup

from cloison_view.labels import value_word
from ledger.views import time_format

WIDTH: Final = 1000  # units of the viewBox; the page scales it
HEIGHT: Final = 20
BAND_HEIGHTS: Final[Mapping[str, int]] = {"open": 20, "unknown": 12, "shut": 4}
MIN_BAND_WIDTH: Final = 3  # units; an interval of a second must be visible in a year

FRAME: Final = Markup(
    '<svg class="timeline" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
    "{bands}</svg>"
)
BAND: Final = Markup(
    '<rect class="band {judgement}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{title}</title></rect>'
)


class IntervalLike(Protocol):
    """The attributes of an interval that a band needs; `archive.records.Interval` has them."""

    @property
    def observed(self) -> str:
        """The observed state."""

    @property
    def judgement(self) -> str:
        """The judgement of that state."""

    @property
    def since(self) -> datetime:
        """The time of the first proof with this state."""

    @property
    def until(self) -> datetime | None:
        """The time of the first proof with another state; None while this one lasts."""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The time range of a picture."""

    start: datetime
    end: datetime

    @classmethod
    def spanning(cls, intervals: Iterable[IntervalLike], now: datetime) -> "TimeScale":
        """Return the range from the first interval until now."""
        starts = [time_format.utc(interval.since) for interval in intervals]
        return cls(min(starts, default=time_format.utc(now)), max([*starts, time_format.utc(now)]))

    def within(self, begin: datetime | None, end: datetime | None) -> "TimeScale":
        """Return the part of it from `begin` to `end`, where they are given."""
        start = max(self.start, time_format.utc(begin)) if begin else self.start
        return TimeScale(start, max(start, min(self.end, time_format.utc(end)) if end else self.end))

    def at(self, moment: datetime) -> float:
        """Return the x coordinate of a time."""
        whole = (self.end - self.start).total_seconds() or 1
        share = (time_format.utc(moment) - self.start).total_seconds() / whole
        return round(min(max(share, 0), 1) * WIDTH, 1)


def timeline(intervals: Iterable[IntervalLike], scale: TimeScale) -> Markup:
    """Return the picture of one connection's intervals."""
    ordered = sorted(intervals, key=lambda interval: time_format.utc(interval.since))
    label = "; ".join(_sentence(interval) for interval in ordered[-3:])
    bands = Markup("").join(_band(interval, scale) for interval in ordered)
    return FRAME.format(label=label, width=WIDTH, height=HEIGHT, bands=bands)


def _band(interval: IntervalLike, scale: TimeScale) -> Markup:
    height = BAND_HEIGHTS.get(interval.observed, BAND_HEIGHTS["unknown"])
    start = scale.at(interval.since)
    width = max(scale.at(interval.until or scale.end) - start, MIN_BAND_WIDTH)
    return BAND.format(
        judgement=interval.judgement,
        x=min(start, WIDTH - MIN_BAND_WIDTH),
        y=HEIGHT - height,
        width=round(width, 1),
        height=height,
        title=_sentence(interval),
    )


def _sentence(interval: IntervalLike) -> str:
    until = f"until {time_format.clock(interval.until)}" if interval.until else "until now"
    return f"{value_word(interval.observed)} from {time_format.clock(interval.since)} {until} ({interval.judgement})"
