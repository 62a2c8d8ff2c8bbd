"""The report on the use of a policy's lines."""

from __future__ import annotations

import pytest
from tests.unit.usage.sample_usage import DB, MONTH, START, found, shop, usage, used

from cloison.usage.record import DAY, Arrow, Period, Usage
from cloison.usage.text import ONLY_SAMPLES, span, usage_document, usage_text, volume

RULES = shop(
    allow=["app -> db:3306", "app -> proxy", "host -> db"],
    tolerate=[{"network": "back", "why": "shared"}, {"flow": "db -> outside", "why": "bridge"}],
)
LAST = START + 39 * DAY


def test_the_report_says_how_long_it_was_watched_and_a_sentence_for_each_line() -> None:
    uses = used(DB, LAST, connections=2, bytes=3_400_000), used(Arrow("db", "outside", "tcp", 0), connections=0)
    record = usage(RULES, *uses)
    lines = usage_text(record, found(RULES, *uses), MONTH).splitlines()

    assert "Watched for 40 days, from 2027-01-15 08:00 to 2027-02-24 08:00." == lines[0]
    assert ONLY_SAMPLES == lines[1]
    assert [
        "allow     app -> db:3306",
        "          used (first 2027-01-15 08:00, last 2027-02-23 08:00, 2 connections, 3.4 MB)",
        "allow     app -> proxy",
        "          allowed and unused for 40 days",
        "allow     host -> db",
        "          cannot be seen: connections from the host are recorded while the policy is enforced only",
        "tolerate  network back",
        "          tolerated and used by nobody: close it",
        "tolerate  db -> outside",
        "          tolerated and unused for 40 days (first 2027-01-15 08:00, last 2027-01-15 08:00)",
    ] == [line for line in lines[2:] if line]


def test_an_hour_advises_nothing() -> None:
    text = usage_text(usage(RULES, days=1 / 24), found(RULES, days=1 / 24), MONTH)

    assert "not used in 1 hour that were watched; after 30 days that says something" in text
    assert "close it" not in text
    assert "Nothing has been learned yet" in usage_text(Usage("shop"), [], MONTH)


def test_pauses_are_told_and_what_the_kernel_counted_needs_no_excuse() -> None:
    periods = [Period(START, START + DAY, is_counted=True), Period(START + 3 * DAY, START + 4 * DAY, is_counted=True)]
    text = usage_text(usage(RULES, periods=periods), [], MONTH)

    assert text.startswith("Watched for 2 days of 4 days, from")
    assert ONLY_SAMPLES not in text


def test_the_document_has_the_same() -> None:
    record = usage(RULES, used(DB, LAST, bytes=5))
    document = usage_document(record, found(RULES, used(DB, LAST, bytes=5)), MONTH)

    assert ("2027-01-15T08:00:00Z", 40 * DAY, 0) == (
        document["since"], document["watched"], document["watched_with_counters"]
    )  # fmt: skip
    assert {"where": "x-cloison.allow[0]", "text": "app -> db:3306", "state": "used", "bytes": 5}.items() <= document[
        "lines"
    ][0].items()
    assert ("app", 3306, "2027-02-23T08:00:00Z") == tuple(
        document["connections"][0][k] for k in ("source", "port", "last")
    )
    assert None is document["lines"][1]["first"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 seconds"), (1, "1 second"), (61, "1 minute"), (7300, "2 hours"), (MONTH, "30 days")]
)
def test_a_span_has_its_largest_unit(seconds: int, text: str) -> None:
    assert text == span(seconds)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (10**13, "10.0 TB"), (10**19, "10000.0 PB")]
)
def test_a_volume_has_a_unit(number: int, text: str) -> None:
    assert text == volume(number)
