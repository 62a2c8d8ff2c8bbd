"""The table of known isolation bypasses is compared with the tests that it names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/known-bypasses.md"
ROW = re.compile(r"\| (?P<number>\d+) \| (?P<what>.+) \| (?P<said>[a-z ]+) \| (?P<by>.+) \|")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SOURCE = re.compile(r"\]\((https://[^)\s]+)\)")
OBSERVED, FILE, VERSION, NOT_COVERED = "observed", "in the file", "by version", "not covered"
ROWS = [found for line in PAGE.read_text().splitlines() if (found := ROW.fullmatch(line))]


def names_in(path: str) -> set[str]:
    """Return the names of the tests of a file, read and not run."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_no_bypass_is_missing() -> None:
    assert [str(number) for number in range(1, 35)] == [row["number"] for row in ROWS]


def test_every_line_that_looks_like_a_row_is_one() -> None:
    assert len(ROWS) == sum(bool(re.match(r"\| *\d", line)) for line in PAGE.read_text().splitlines())


@pytest.mark.parametrize("row", ROWS, ids=[row["number"] for row in ROWS])
def test_every_bypass_has_a_source_and_its_report_has_a_test(row: re.Match[str]) -> None:
    assert SOURCE.search(row["what"])
    assert row["said"] in {OBSERVED, FILE, VERSION, NOT_COVERED}
    named = TEST.findall(row["by"])
    assert [] == [f"{path}::{name}" for path, name in named if name not in names_in(path)]
    assert bool(named) == (row["said"] != NOT_COVERED)
    assert row["said"] != NOT_COVERED or row["by"].startswith("because ")


def test_a_test_that_does_not_exist_is_reported() -> None:
    assert "test_no_bypass_is_missing" in names_in("tests/unit/docs/test_known_bypasses.py")
    assert "test_that_does_not_exist" not in names_in("tests/unit/docs/test_known_bypasses.py")


def test_every_kind_of_report_is_explained() -> None:
    explained = re.findall(r"^- \*\*([a-z ]+)\*\*:", PAGE.read_text(), re.MULTILINE)

    assert {*explained} == {*Counter(row["said"] for row in ROWS)}
