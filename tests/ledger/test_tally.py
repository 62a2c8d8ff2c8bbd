"""Many visits in one transaction: none lost, none invented."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ledger.tally import Tally

if TYPE_CHECKING:
    from tests.ledger.conftest import FakeStore


def test_what_arrives_meanwhile_shares_the_next_transaction(store: "FakeStore") -> None:
    tally = Tally(store.count, patience=5)
    store.slow.clear()
    with ThreadPoolExecutor(20) as crowd:
        told = [crowd.submit(tally.visit)]
        assert store.asked.wait(5)
        told += [crowd.submit(tally.visit) for _ in range(19)]
        while tally._waiting < 19:  # noqa: SLF001 - the first is being written down, the others wait
            time.sleep(0.001)
        store.slow.set()
        sums = sorted(each.result().visits for each in told)

    assert sums == [1] + [20] * 19
    assert store.commits == 2


def test_a_crowd_is_counted_exactly(store: "FakeStore") -> None:
    tally = Tally(store.count, patience=5)
    with ThreadPoolExecutor(16) as crowd:
        list(crowd.map(lambda _: tally.visit(), range(2000)))

    assert store.visits == 2000


def test_a_failure_reaches_everyone_who_waited_for_it_and_nobody_later(store: "FakeStore") -> None:
    tally = Tally(store.count, patience=5)
    store.trouble = ConnectionError("gone")
    with pytest.raises(ConnectionError):
        tally.visit()
    store.trouble = None

    assert tally.visit().visits == 1


def test_patience_ends(store: "FakeStore") -> None:
    tally = Tally(store.count, patience=0.05)
    store.slow.clear()
    with pytest.raises(TimeoutError):
        tally.visit()
    store.slow.set()
