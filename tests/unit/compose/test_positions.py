"""The positions of keys in Compose files."""

from __future__ import annotations

import pytest

from cloison.compose import positions
from cloison.compose.positions import Position, Positions, read_positions

BASE = """\
x-network: &default
  networks: [back]
services:
  db:
    <<: *default
    ports:
      - "3306:3306"
  "web.api":
    networks:
      front: {}
networks:
  back: {internal: true}
x-cloison:
  allow:
    - web.api -> db:3306
  tolerate:
    - {network: back, why: known}
"""


@pytest.fixture(scope="module")
def base() -> Positions:
    return read_positions([("compose.yml", BASE)])


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("services.db", 4, 3),
        ("services.db.ports", 6, 5),
        ("services.db.ports[0]", 7, 9),
        ("services.db.networks.back", 2, 14),
        ("services.web.api.networks.front", 10, 7),
        ("networks.back.internal", 12, 10),
        ("x-cloison.allow[0]", 15, 7),
        ("x-cloison.tolerate[0]", 17, 7),
    ],
)
def test_a_path_has_the_position_of_its_key(base: Positions, path: str, line: int, column: int) -> None:
    assert Position("compose.yml", line, column) == base.find(path)


def test_an_unknown_path_has_the_position_of_its_nearest_key(base: Positions) -> None:
    assert base.find("services.db.ports") == base.find("services.db.ports[7].target")


def test_the_first_known_path_of_several_counts(base: Positions) -> None:
    assert base.find("networks.back") == base.find("services.none.networks", "networks.back")


def test_a_path_without_any_key_is_at_the_beginning_of_the_first_file(base: Positions) -> None:
    assert Position("compose.yml") == base.find("volumes.data")
    assert Positions().find("volumes.data") is None


def test_the_last_file_that_has_a_key_decides() -> None:
    found = read_positions([("a.yml", BASE), ("b.yml", "services:\n  db:\n    ports: !override []\n")])

    assert Position("b.yml", 3, 5) == found.find("services.db.ports")
    assert Position("a.yml", 8, 3) == found.find("services.web.api")


def test_the_keys_of_several_merged_mappings_are_found() -> None:
    text = "a: &a {x: 1}\nb: &b {y: 2}\nservices:\n  db:\n    <<: [*a, *b]\n    z: 3\n"

    assert Position("f", 2, 8) == read_positions([("f", text)]).find("services.db.y")


@pytest.mark.parametrize("text", ["a: [", "\x00", "a: &a\n  b: *a\n", "[1, 2]", "word", "? [a]\n: b\n", "[" * 200, ""])
def test_a_text_that_is_no_compose_file_has_a_beginning(text: str) -> None:
    assert Position("f") == read_positions([("f", text)]).find("services.db")


def test_the_keys_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MAX_KEYS", 3)

    assert len(read_positions([("f", "{a: 1, b: 2, c: 3, d: 4, e: 5}")]).known) == 3
