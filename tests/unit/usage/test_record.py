"""The record of used connections: what rounds add to it, what it forgets, and its JSON."""

from __future__ import annotations

import pytest

from cloison.errors import FileError
from cloison.usage import record
from cloison.usage.record import MOST_PERIODS, MOST_USES, Arrow, Period, Seen, Usage, add, decoded, encoded

DB, CACHE = Arrow("app", "db", "tcp", 3306), Arrow("app", "cache", "tcp", 6379)
GAP = 100


def watched(*rounds: tuple[int, Seen]) -> Usage:
    """Return the record of rounds."""
    usage = Usage("shop")
    for now, seen in rounds:
        add(usage, seen, now, GAP, ["line"])
    return usage


def test_a_use_has_its_first_and_last_time_its_connections_and_its_bytes() -> None:
    found = watched((10, Seen({DB: 2, CACHE: 1})), (20, Seen({DB: 0}, {DB: 50})), (30, Seen({DB: 1}, {DB: 7})))
    cache, database = found.uses

    assert (10, 30, 3, 57) == (database.first, database.last, database.connections, database.bytes)
    assert (10, 10, 1, None) == (cache.first, cache.last, cache.connections, cache.bytes)
    assert (DB, CACHE) == (database.arrow, cache.arrow)
    assert {"line": 10} == found.lines


def test_only_the_time_between_rounds_is_watched_and_no_pause() -> None:
    nothing, counted = Seen({}), Seen({}, is_counted=True)
    found = watched((100, nothing), (150, nothing), (200, counted), (250, counted), (1000, counted), (1050, nothing))

    assert [Period(100, 150), Period(150, 250, is_counted=True), Period(1000, 1050)] == found.periods
    assert (200, 100) == (found.watched(), found.watched(counted=True))
    assert (75, 100) == (found.watched(225), found.since)


def test_a_round_alone_watched_nothing_and_leaves_no_trace_of_its_time() -> None:
    found = watched((100, Seen({})), (1000, Seen({})), (2000, Seen({})))

    assert [Period(2000, 2000)] == found.periods
    assert 0 == found.watched()
    assert (0, 0) == (Usage("shop").since, Usage("shop").watched())


def test_a_clock_that_goes_back_begins_another_period() -> None:
    found = watched((100, Seen({})), (150, Seen({})), (140, Seen({})))

    assert [Period(100, 150), Period(140, 140)] == found.periods


def test_a_record_is_bounded_and_says_until_when_something_was_used_that_it_forgot() -> None:
    arrows = [Arrow("app", "db", "tcp", port) for port in range(MOST_USES + 1)]
    found = watched((5, Seen({CACHE: 1})), (10, Seen(dict.fromkeys(arrows, 1))))

    assert MOST_USES == len(found.uses)
    assert CACHE not in {use.arrow for use in found.uses}
    assert 10 == found.forgotten
    many = watched(*((GAP * 3 * n + more, Seen({})) for n in range(MOST_PERIODS + 5) for more in (0, 1)))
    assert MOST_PERIODS == len(many.periods)


def test_a_record_is_the_same_after_a_file() -> None:
    found = watched((10, Seen({DB: 2}, {DB: 3}, is_counted=True)), (20, Seen({})))

    assert found == decoded(encoded(found), "f")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "f: this is no record of used connections"),
        (b"\xff", "f: this is no record of used connections"),
        (b'{"project": "shop", "more": 1}', "remove the file"),
        (b'{"project": "shop", "version": 2}', f"f: the record has version 2, and this Cloison reads {record.VERSION}"),
    ],
)
def test_another_content_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        decoded(content, "f")
