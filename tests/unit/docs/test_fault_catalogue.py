from __future__ import annotations

from tests.integration.observe.blocking_faults import BLOCKING_FAULTS
from tests.integration.observe.fault_catalogue import PAGE, page
from tests.integration.observe.opening_faults import OPENING_FAULTS


def test_the_page_of_holes_says_what_is_tried() -> None:
    """`python -m tests.integration.observe.fault_catalogue` writes it anew."""
    assert PAGE.read_text() == page()


def test_every_way_has_a_name_of_its_own() -> None:
    names = [row.name for row in (*OPENING_FAULTS, *BLOCKING_FAULTS)]

    assert sorted({*names}) == sorted(names)
