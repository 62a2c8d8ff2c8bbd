"""The page about enforcement says which faults of the catalogue it does not close."""

from __future__ import annotations

from pathlib import Path

from tests.integration.enforce.not_closed import NOT_CLOSED
from tests.integration.observe.opening_faults import OPENING_FAULTS

PAGE = (Path(__file__).parents[3] / "docs/enforce.md").read_text()


def test_the_page_has_a_row_for_each_fault_that_is_not_closed() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]

    assert {*NOT_CLOSED} <= {fault.name for fault in OPENING_FAULTS}
    for name, (word, why) in NOT_CLOSED.items():
        assert f"| {name} | {word} | {why} |" in rows


def test_the_page_counts_the_faults() -> None:
    count = len(OPENING_FAULTS)

    assert f"With {count - len(NOT_CLOSED)} of the {count} faults" in PAGE
