"""Names are shown unchanged, except for invisible characters."""

from __future__ import annotations

import pytest

from cloison_view.labels import counted, join_names, pluralize, shown, sort_places, text_columns, to_act_on, truncate
from cloison_view.ports import TargetPort, sorted_ports


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db", "db"),
        ("größe 界", "größe 界"),
        ("a\u202eb\u0000\n", "a\ufffdb\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
    ],
)
def test_invisible_characters_are_replaced(text: str, expected: str) -> None:
    assert expected == shown(text)


@pytest.mark.parametrize("text", ["database", "界" * 9, "a" * 99, "\u202e" * 99])
def test_a_truncated_text_fits(text: str) -> None:
    assert text_columns(truncate(text, 7)) <= 7
    assert truncate(text, 7).endswith("…")


def test_a_text_that_fits_is_not_truncated() -> None:
    assert "database" == truncate("database", 8)


def test_places_are_sorted_by_kind_and_number() -> None:
    places = ["host", "stranger:a", "web10", "web2", "outside", "web2"]

    assert ["web2", "web10", "stranger:a", "host", "outside"] == sort_places(places)


def test_ports_are_sorted_by_number_and_any_other_port_is_last() -> None:
    ends = [TargetPort("db", *port) for port in (("", 0), ("tcp", 80), ("udp", 53), ("tcp", 80))]

    assert ["53/udp", "80", "any other port"] == [end.port_words for end in sorted_ports(ends)]
    assert "any port" == TargetPort("host", "", 0, is_every_port=True).port_words


def test_one_more_than_a_few_is_still_named() -> None:
    assert "1, 2, 3 and 4" == join_names(["1", "2", "3", "4"])
    assert "1, 2, 3 and 2 more" == join_names(["1", "2", "3", "4", "5"])


def test_a_count_has_its_noun() -> None:
    assert ["1 way", "2 ways", "1,000 breaches"] == [
        pluralize(1, "way"),
        pluralize(2, "way"),
        pluralize(1000, "breach", "breaches"),
    ]


def test_counts_have_a_sum_a_unit_and_the_worst_judgement_first() -> None:
    assert "1,202 flows: 2 breach, 1,200 hold, 3 not as predicted" == counted(
        {"holds": 1200, "breach": 2, "drift": 3, "broken": 0}, "flow"
    )
    assert "0 connections" == counted({}, "connection")


def test_the_heading_of_the_action_items_counts_connections() -> None:
    assert "To act on: 3 connections (1 breach, 2 broken)" == to_act_on({"broken": 2, "breach": 1})
    assert "To act on" == to_act_on({})
