"""One connection over time as a band: open is a full band, shut a thin line, unknown something hatched between them.

Rule: what the colour says, the height says too, and the table beside the picture says in words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from markupsafe import Markup

from ledger.views import time_format

WIDTH: Final = 1000  # the picture's own units; the page stretches it
HEIGHT: Final = 20
BAND_HEIGHTS: Final[Mapping[str, int]] = {"open": 20, "unknown": 12, "shut": 4}
MIN_BAND_WIDTH: Final = 3  # units; what was open for a second must still be seen after a year

FRAME: Final = Markup(
    '<svg class="timeline" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
    "{bands}</svg>"
)
BAND: Final = Markup(
    '<rect class="band {judgement}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{title}</title></rect>'
)


class IntervalLike(Protocol):
    """As much of a connection's interval as a band needs: archive.records.Interval has it."""

    @property
    def observed(self) -> str:
        """What was seen."""

    @property
    def judgement(self) -> str:
        """What that means."""

    @property
    def since(self) -> datetime:
        """When it was first seen so."""

    @property
    def until(self) -> datetime | None:
        """When it was first seen otherwise; None while it is."""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The time that a picture spans."""

    start: datetime
    end: datetime

    @classmethod
    def spanning(cls, intervals: Iterable[IntervalLike], now: datetime) -> "TimeScale":
        """Span some intervals, up to now."""
        starts = [time_format.utc(interval.since) for interval in intervals]
        return cls(min(starts, default=time_format.utc(now)), max([*starts, time_format.utc(now)]))

    def at(self, moment: datetime) -> float:
        """Return where a moment is."""
        whole = (self.end - self.start).total_seconds() or 1
        share = (time_format.utc(moment) - self.start).total_seconds() / whole
        return round(min(max(share, 0), 1) * WIDTH, 1)


def timeline(intervals: Iterable[IntervalLike], scale: TimeScale) -> Markup:
    """Draw the intervals of one connection."""
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
    return f"{interval.observed} from {time_format.clock(interval.since)} {until} ({interval.judgement})"
