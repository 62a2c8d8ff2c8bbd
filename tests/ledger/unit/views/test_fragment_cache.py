"""Pieces are made once, kept while there is room, and never grow beyond it."""

import threading
from sys import getsizeof

from ledger.views.fragment_cache import OVERHEAD, Fragments

SMALL = getsizeof("x" * 100) + OVERHEAD


class Maker:
    """Makes a piece and counts how often."""

    def __init__(self, size: int = 100) -> None:
        self.made = 0
        self.size = size

    def __call__(self) -> str:
        """Make it."""
        self.made += 1
        return "x" * self.size


def test_a_piece_is_made_once() -> None:
    fragments, maker = Fragments(10_000), Maker()

    assert {fragments.get("a", maker) for _ in range(3)} == {"x" * 100}
    assert maker.made == 1


def test_what_was_used_longest_ago_makes_room() -> None:
    fragments, first, second = Fragments(2 * SMALL), Maker(), Maker()
    fragments.get("first", first)
    fragments.get("second", second)
    fragments.get("first", first)
    fragments.get("third", Maker())
    fragments.get("first", first)
    fragments.get("second", second)

    assert (first.made, second.made) == (1, 2)


def test_the_room_is_counted_in_bytes_and_never_exceeded() -> None:
    fragments = Fragments(5_000)
    for number in range(100):
        fragments.get(number, lambda: "é" * 300)
        assert fragments.used <= 5_000

    assert fragments.used > 5_000 - 2 * (600 + OVERHEAD)


def test_what_is_larger_than_the_room_is_shown_and_not_kept() -> None:
    fragments, small, large = Fragments(1_000), Maker(100), Maker(2_000)
    fragments.get("small", small)
    fragments.get("large", large)
    fragments.get("large", large)
    fragments.get("small", small)

    assert (small.made, large.made) == (1, 2)


def test_a_slow_piece_holds_nobody_else() -> None:
    fragments, go = Fragments(10_000), threading.Event()

    def slow() -> str:
        go.wait(5)
        return "slow"

    thread = threading.Thread(target=fragments.get, args=("slow", slow))
    thread.start()
    try:
        assert fragments.get("quick", lambda: "quick") == "quick"
    finally:
        go.set()
        thread.join()
    assert fragments.get("slow", Maker()) == "slow"


def test_two_that_made_the_same_are_counted_once() -> None:
    fragments = Fragments(10_000)

    def nested() -> str:
        return fragments.get("same", lambda: "x")

    fragments.get("same", nested)

    assert fragments.used == getsizeof("x") + OVERHEAD
