from __future__ import annotations

from tests.integration.observe.blocking_faults import BLOCKING_FAULTS
from tests.integration.observe.fault_catalogue import PAGE, page
from tests.integration.observe.opening_faults import OPENING_FAULTS


def test_the_page_of_the_catalogue_lists_every_injected_fault() -> None:
    """`python -m tests.integration.observe.fault_catalogue` rewrites the page."""
    assert PAGE.read_text() == page()


def test_every_fault_has_its_own_name() -> None:
    names = [row.name for row in (*OPENING_FAULTS, *BLOCKING_FAULTS)]

    assert sorted({*names}) == sorted(names)
