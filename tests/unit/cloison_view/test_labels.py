"""Names are shown as they are, but for what cannot be seen."""

from __future__ import annotations

import pytest

from cloison_view.connections import ProofConnection
from cloison_view.labels import join_names, pluralize, ports, shown, sort_places, text_columns, truncate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db", "db"),
        ("größe 界", "größe 界"),
        ("a\u202eb\u0000\n", "a\ufffdb\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, expected: str) -> None:
    assert expected == shown(text)


@pytest.mark.parametrize("text", ["database", "界" * 9, "a" * 99, "\u202e" * 99])
def test_what_is_cut_fits(text: str) -> None:
    assert text_columns(truncate(text, 7)) <= 7
    assert truncate(text, 7).endswith("…")


def test_what_fits_is_not_cut() -> None:
    assert "database" == truncate("database", 8)


def test_places_stand_as_people_count_them() -> None:
    places = ["host", "stranger:a", "web10", "web2", "outside", "web2"]

    assert ["outside", "web2", "web10", "stranger:a", "host"] == sort_places(places)


def connection(protocol: str, port: int) -> ProofConnection:
    return ProofConnection("app", "db", protocol, port, "shut", "shut", "shut", "holds", drift=False, flows=(0,))


def test_the_canary_of_udp_says_nothing_beside_that_of_tcp() -> None:
    assert ["53/udp", "80", "*"] == ports(
        [connection("tcp", 0), connection("udp", 0), connection("tcp", 80), connection("udp", 53)]
    )
    assert ["*/udp"] == ports([connection("udp", 0)])


def test_one_more_than_a_few_is_still_named() -> None:
    assert "1, 2, 3, 4" == join_names(["1", "2", "3", "4"])
    assert "1, 2, 3 and 2 more" == join_names(["1", "2", "3", "4", "5"])


def test_a_count_has_its_noun() -> None:
    assert ["1 way", "2 ways", "1,000 breaches"] == [
        pluralize(1, "way"),
        pluralize(2, "way"),
        pluralize(1000, "breach", "breaches"),
    ]
