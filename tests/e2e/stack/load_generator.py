"""Load while something breaks: writers who remember what was acknowledged, and readers who remember what failed."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.stack.conftest import LedgerProject, Stack

WRITERS = 4
PAUSE = 0.1  # seconds between two proofs of a writer: below what the proxy allows a client
NO_ANSWER = 0  # the status of a request that nobody answered
LONGEST_WAIT = 5.0  # seconds, for a proof under attack


@dataclass(frozen=True)
class RequestRecord:
    """A request: when it was sent and answered, how, and the proof it carried."""

    sent: float
    answered: float
    status: int
    digest: str = ""


@dataclass
class Load:
    """What was asked so far."""

    asked: list[RequestRecord] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def acknowledged(self) -> set[str]:
        """The proofs that somebody was told are kept."""
        return {one.digest for one in self.asked if one.status in {200, 201}}

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(one.status for one in self.asked)

    @property
    def failed(self) -> list[RequestRecord]:
        """What was not answered with success."""
        return [one for one in self.asked if not 200 <= one.status < 400]

    def succeeds_after(self, moment: float, seconds: float = 30) -> float:
        """Wait for the first success that was sent after a moment, and return when it was answered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            good = [one.answered for one in list(self.asked) if one.sent > moment and 200 <= one.status < 400]
            if good:
                return min(good)
            time.sleep(0.02)
        raise AssertionError(f"nothing succeeded for {seconds} s: {self.statuses}")


@contextmanager
def writing(shop: LedgerProject, pause: float = PAUSE, writers: int = WRITERS) -> Iterator[Load]:
    """Have proofs sent all the time."""

    def once() -> RequestRecord:
        body, sent = shop.body(), time.monotonic()
        try:
            status = shop.send(body).status
        except (OSError, http.client.HTTPException):
            status = NO_ANSWER
        return RequestRecord(sent, time.monotonic(), status, hashlib.sha256(body).hexdigest())

    with _repeatedly(once, writers, pause) as load:
        yield load


@contextmanager
def a_proof_each_second(shop: LedgerProject) -> Iterator[Load]:
    """Send proofs during the block; each is answered 201 in time, and is there afterwards."""
    with writing(shop, pause=1.0, writers=1) as written:
        yield written
    waits = [one.answered - one.sent for one in written.asked]

    assert dict(written.statuses) == {201: len(written.asked)}
    assert max(waits) < LONGEST_WAIT
    assert written.acknowledged - shop.kept() == set()


@contextmanager
def reading(stack: Stack, path: str, readers: int = 2, pause: float = 0.05) -> Iterator[Load]:
    """Have a page read all the time."""

    def once() -> RequestRecord:
        sent = time.monotonic()
        try:
            status = stack.get(path).status
        except (OSError, http.client.HTTPException):
            status = NO_ANSWER
        return RequestRecord(sent, time.monotonic(), status)

    with _repeatedly(once, readers, pause) as load:
        yield load


@contextmanager
def _repeatedly(once: Callable[[], RequestRecord], many: int, pause: float) -> Iterator[Load]:
    load = Load()

    def work() -> None:
        while not load.stopping.is_set():
            load.asked.append(once())
            load.stopping.wait(pause)

    threads = [threading.Thread(target=work) for _ in range(many)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()
