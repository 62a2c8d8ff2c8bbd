"""The cache of fragments: one rendering, a bound on memory, eviction."""

import threading
from sys import getsizeof

from ledger.views.fragment_cache import ENTRY_OVERHEAD, BusyError, FragmentCache

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


def in_flight(fragment_cache: FragmentCache, callers: int) -> tuple[list[object], Maker]:
    """Return what so many callers get that ask while the first still renders."""
    go, entered, maker, got = threading.Event(), threading.Event(), Maker(), list[object]()

    def slow() -> str:
        entered.set()
        go.wait(5)
        return maker()

    def ask() -> None:
        try:
            got.append(fragment_cache.get("page", slow))
        except (BusyError, ValueError) as error:
            got.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    threads[0].start()
    entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join(0.2)
    go.set()
    for thread in threads:
        thread.join()
    return got, maker


def test_callers_at_one_time_share_one_rendering() -> None:
    got, maker = in_flight(FragmentCache(10_000), callers=8)

    assert ["x" * 100] * 8 == got
    assert 1 == maker.made


def test_a_caller_does_not_wait_longer_than_the_deadline() -> None:
    got, maker = in_flight(FragmentCache(10_000, deadline=0.05), callers=3)

    assert [BusyError, BusyError, "x" * 100] == got
    assert 1 == maker.made


def test_a_rendering_that_fails_fails_for_all_who_wait_and_is_tried_again() -> None:
    fragment_cache, entered, go, raised = FragmentCache(10_000), threading.Event(), threading.Event(), list[str]()

    def broken() -> str:
        entered.set()
        go.wait(5)
        raise ValueError("no such place")

    def ask() -> None:
        try:
            fragment_cache.get("page", broken)
        except ValueError as error:
            raised.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    threads[0].start()
    entered.wait(5)
    threads[1].start()
    threads[1].join(0.2)
    go.set()
    for thread in threads:
        thread.join()

    assert ["no such place"] * 2 == raised
    assert "y" == fragment_cache.get("page", lambda: "y")
