"""Names are shown as they are, but for what cannot be seen."""

from __future__ import annotations

import pytest

from cloison_view.connections import Door
from cloison_view.labels import columns, cut, in_order, listed, many, ports, shown


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
    assert columns(cut(text, 7)) <= 7
    assert cut(text, 7).endswith("…")


def test_what_fits_is_not_cut() -> None:
    assert "database" == cut("database", 8)


def test_places_stand_as_people_count_them() -> None:
    places = ["host", "stranger:a", "web10", "web2", "outside", "web2"]

    assert ["outside", "web2", "web10", "stranger:a", "host"] == in_order(places)


def door(protocol: str, port: int) -> Door:
    return Door("app", "db", protocol, port, "shut", "shut", "shut", "holds", drift=False, flows=(0,))


def test_the_canary_of_udp_says_nothing_beside_that_of_tcp() -> None:
    assert ["53/udp", "80", "*"] == ports([door("tcp", 0), door("udp", 0), door("tcp", 80), door("udp", 53)])
    assert ["*/udp"] == ports([door("udp", 0)])


def test_one_more_than_a_few_is_still_named() -> None:
    assert "1, 2, 3, 4" == listed(["1", "2", "3", "4"])
    assert "1, 2, 3 and 2 more" == listed(["1", "2", "3", "4", "5"])


def test_a_count_has_its_noun() -> None:
    assert ["1 way", "2 ways", "1,000 breaches"] == [many(1, "way"), many(2, "way"), many(1000, "breach", "breaches")]
