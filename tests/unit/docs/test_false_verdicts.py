"""The table of kinds of wrong verdicts is compared with the tests that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.docs.test_known_bypasses import TEST, names_in

PAGE = Path(__file__).resolve().parents[3] / "docs/false-verdicts.md"
ROW = re.compile(r"\| (?P<number>\d+) \| (?P<kind>[^|]+) \| (?P<root>[^|]+) \| (?P<agent>[^|]+) \|")
ROWS = [found for line in PAGE.read_text().splitlines() if (found := ROW.fullmatch(line))]


def test_every_line_of_the_table_is_a_row() -> None:
    numbers = [row["number"] for row in ROWS]

    assert [str(number) for number in range(1, len(ROWS) + 1)] == numbers
    assert len(ROWS) == sum(bool(re.match(r"\| *\d", line)) for line in PAGE.read_text().splitlines())


@pytest.mark.parametrize("row", ROWS, ids=[row["number"] for row in ROWS])
def test_every_kind_has_a_test(row: re.Match[str]) -> None:
    named = TEST.findall(row["root"])

    assert named
    assert [] == [test for test in (*named, *TEST.findall(row["agent"])) if test[1] not in names_in(test[0])]
