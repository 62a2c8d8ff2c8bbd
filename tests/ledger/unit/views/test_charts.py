"""Trend, time line and badge: colour is never the only sign."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from ledger.views import badge_svg, trend
from ledger.views.timeline import MIN_BAND_WIDTH, WIDTH, TimeScale, timeline

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    observed: str
    judgement: str
    since: datetime
    until: datetime | None = None


def bars(svg: str) -> list[dict[str, str]]:
    return [element.attrib for element in ET.fromstring(svg) if element.tag.endswith("rect")]  # noqa: S314 - ours


def test_a_breach_is_the_tallest_bar() -> None:
    *_, proven, unproven, breached = bars(trend.trend(("proven", "unproven", "breached")))

    assert int(proven["height"]) < int(unproven["height"]) < int(breached["height"])


def test_the_newest_proof_stands_at_the_right_edge_however_few_there_are() -> None:
    right = {int(svg[-1]["x"]) + trend.WIDTH for svg in (bars(trend.trend(("proven",) * n)) for n in (1, 7, 30, 31))}

    assert right == {trend.BARS * trend.STEP}


def test_a_trend_says_its_numbers() -> None:
    svg = trend.trend(("proven", "breached", "proven"))

    assert 'aria-label="Last 3 proofs: 2 proven, 1 breached"' in svg


def test_a_word_of_a_later_version_is_drawn_as_unknown() -> None:
    *yet_to_come, bar = bars(trend.trend(("novel",)))

    assert bar["height"] == str(trend.BAR_HEIGHTS["unproven"])
    assert {"bar none"} == {mark["class"] for mark in yet_to_come}


def test_a_band_has_the_position_and_length_of_its_interval() -> None:
    start, middle = NOW - timedelta(days=4), NOW - timedelta(days=1)
    intervals = [Seen("shut", "holds", middle), Seen("open", "breach", start, middle)]

    first, last = bars(timeline(intervals, TimeScale.spanning(intervals, NOW)))

    assert (first["class"], first["x"], first["width"]) == ("band breach", "0.0", "750.0")
    assert (last["class"], last["x"], last["width"]) == ("band holds", "750.0", "250.0")
    assert int(last["height"]) < int(first["height"])


def test_the_shortest_interval_is_visible() -> None:
    long_ago = NOW - timedelta(days=365)
    intervals = [Seen("shut", "holds", long_ago, NOW - timedelta(seconds=1)), Seen("open", "breach", NOW)]

    breach = bars(timeline(intervals, TimeScale.spanning(intervals, NOW)))[1]

    assert float(breach["width"]) == MIN_BAND_WIDTH
    assert float(breach["x"]) + MIN_BAND_WIDTH == WIDTH


def test_a_line_of_no_length_does_not_divide_by_it() -> None:
    intervals = [Seen("open", "holds", NOW)]

    assert "NaN" not in timeline(intervals, TimeScale.spanning(intervals, NOW))
    assert TimeScale.spanning([], NOW).at(NOW) == 0


@pytest.mark.parametrize("word", ["proven", "breached", "unproven", "none", "novel"])
def test_a_badge_says_its_word(word: str) -> None:
    root = ET.fromstring(badge_svg.badge_svg(word, "3 h"))  # noqa: S314 - ours

    assert f"isolation: {word} · 3 h" == root.attrib["aria-label"]


@pytest.mark.parametrize(("word", "shown"), [("proven", "unproven"), ("drawn", "unproven"), ("breached", "breached")])
def test_a_verdict_that_is_not_current_is_never_green(word: str, shown: str) -> None:
    svg = badge_svg.badge_svg(word, "18 d", is_current=False)

    assert badge_svg.COLOURS[shown] in svg
    assert f"isolation: {'as drawn' if word == 'drawn' else word} · 18 d" in svg


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", sorted({*badge_svg.COLOURS.values(), "#3b4451"}))
def test_white_can_be_read_on_every_colour_of_a_badge(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_nothing_drawn_needs_a_style_or_a_script() -> None:
    intervals = [Seen("open", '"><script>', NOW)]
    svg = [
        trend.trend(('"><b>',)),
        timeline(intervals, TimeScale.spanning(intervals, NOW)),
        badge_svg.badge_svg("<i>", None),
    ]

    assert not re.search(r"<script|<b>|<i>|style=|\son\w+=", "".join(svg))
