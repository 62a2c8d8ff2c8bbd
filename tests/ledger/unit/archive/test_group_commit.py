"""Group commit: who stores what, and who gets which error."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ledger.archive.group_commit import MAX_ITEMS, GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LIMIT = 20.0  # seconds


class Store:
    """Work that lasts until it is let go, and doubles each number; a negative one is refused."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self.error: BaseException | None = None

    def __call__(self, _key: str, take: Callable[[], Sequence[int]]) -> list[int | BaseException]:
        """Store."""
        taken = list(take())
        self.batches.append(taken)
        self.begun.release()
        assert self.released.acquire(timeout=LIMIT)
        if self.error is not None:
            raise self.error
        assert taken == list(take())  # as a transaction that is repeated takes them
        return [ValueError(str(item)) if item < 0 else 2 * item for item in taken]


@pytest.fixture
def store() -> Store:
    return Store()


def together(group: GroupCommit[int, int], store: Store, items: Sequence[int]) -> list[Future[int]]:
    """Submit the first item, and the others while it is stored; let everything go."""
    pool = ThreadPoolExecutor(len(items))
    found = [pool.submit(group.submit, "shop", items[0])]
    assert store.begun.acquire(timeout=LIMIT)
    for number, item in enumerate(items[1:], 1):
        found.append(pool.submit(group.submit, "shop", item))
        while len(group._waiting["shop"]) < number:  # noqa: SLF001 - it waits when it is here
            threading.Event().wait(0.001)
    store.released.release(len(items))
    pool.shutdown()
    return found


def test_what_arrives_meanwhile_is_stored_together(store: Store) -> None:
    found = together(GroupCommit(store), store, [1, 2, 3, 4])

    assert [2, 4, 6, 8] == [one.result(LIMIT) for one in found]
    assert [[1], [2, 3, 4]] == store.batches


def test_a_refused_item_is_its_own_threads_error(store: Store) -> None:
    first, refused, last = together(GroupCommit(store), store, [1, -2, 3])

    assert (2, 6) == (first.result(LIMIT), last.result(LIMIT))
    with pytest.raises(ValueError, match="-2"):
        refused.result(LIMIT)


def test_an_error_of_the_work_is_everybodys_and_the_next_item_is_stored(store: Store) -> None:
    group = GroupCommit(store)
    store.error = OSError("away")
    for one in together(group, store, [1, 2, 3]):
        with pytest.raises(OSError, match="away"):
            one.result(LIMIT)
    store.error = None

    assert [8] == [one.result(LIMIT) for one in together(group, store, [4])]


def test_an_error_before_anything_is_taken_leaves_nothing_behind() -> None:
    def fail(_key: str, _take: Callable[[], Sequence[int]]) -> list[int | BaseException]:
        raise LookupError

    group = GroupCommit[int, int](fail)
    for _ in range(2):
        with pytest.raises(LookupError):
            group.submit("shop", 1)


def test_a_transaction_has_a_bound(store: Store) -> None:
    found = together(GroupCommit(store), store, range(MAX_ITEMS + 2))

    assert [2 * item for item in range(MAX_ITEMS + 2)] == [one.result(LIMIT) for one in found]
    assert [1, MAX_ITEMS, 1] == [len(batch) for batch in store.batches]
