from __future__ import annotations

from tests.live.blockages import BLOCKAGES
from tests.live.catalogue import PAGE, page
from tests.live.holes import HOLES


def test_the_page_of_holes_says_what_is_tried() -> None:
    """`python -m tests.live.catalogue` writes it anew."""
    assert PAGE.read_text() == page()


def test_every_way_has_a_name_of_its_own() -> None:
    names = [row.name for row in (*HOLES, *BLOCKAGES)]

    assert sorted({*names}) == sorted(names)
