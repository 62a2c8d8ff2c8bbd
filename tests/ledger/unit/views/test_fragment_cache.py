"""The cache of fragments: one rendering, a bound on memory, eviction."""

import threading
from sys import getsizeof

from ledger.views.fragment_cache import ENTRY_OVERHEAD, FragmentCache

SMALL = getsizeof("x" * 100) + ENTRY_OVERHEAD


class Maker:
    """Makes a piece and counts how often."""

    def __init__(self, size: int = 100) -> None:
        self.made = 0
        self.size = size

    def __call__(self) -> str:
        """Make it."""
        self.made += 1
        return "x" * self.size


def test_a_fragment_is_rendered_once() -> None:
    fragment_cache, maker = FragmentCache(10_000), Maker()

    assert {fragment_cache.get("a", maker) for _ in range(3)} == {"x" * 100}
    assert maker.made == 1


def test_the_least_recently_used_fragment_is_evicted() -> None:
    fragment_cache, first, second = FragmentCache(2 * SMALL), Maker(), Maker()
    fragment_cache.get("first", first)
    fragment_cache.get("second", second)
    fragment_cache.get("first", first)
    fragment_cache.get("third", Maker())
    fragment_cache.get("first", first)
    fragment_cache.get("second", second)

    assert (first.made, second.made) == (1, 2)


def test_the_capacity_in_bytes_is_never_exceeded() -> None:
    fragment_cache = FragmentCache(5_000)
    for number in range(100):
        fragment_cache.get(number, lambda: "é" * 300)
        assert fragment_cache.used <= 5_000

    assert fragment_cache.used > 5_000 - 2 * (600 + ENTRY_OVERHEAD)


def test_a_fragment_larger_than_the_cache_is_not_cached() -> None:
    fragment_cache, small, large = FragmentCache(1_000), Maker(100), Maker(2_000)
    fragment_cache.get("small", small)
    fragment_cache.get("large", large)
    fragment_cache.get("large", large)
    fragment_cache.get("small", small)

    assert (small.made, large.made) == (1, 2)


def test_a_slow_fragment_does_not_block_others() -> None:
    fragment_cache, go = FragmentCache(10_000), threading.Event()

    def slow() -> str:
        go.wait(5)
        return "slow"

    thread = threading.Thread(target=fragment_cache.get, args=("slow", slow))
    thread.start()
    try:
        assert fragment_cache.get("quick", lambda: "quick") == "quick"
    finally:
        go.set()
        thread.join()
    assert fragment_cache.get("slow", Maker()) == "slow"


def test_a_fragment_rendered_twice_is_counted_once() -> None:
    fragment_cache = FragmentCache(10_000)

    def nested() -> str:
        return fragment_cache.get("same", lambda: "x")

    fragment_cache.get("same", nested)

    assert fragment_cache.used == getsizeof("x") + ENTRY_OVERHEAD
