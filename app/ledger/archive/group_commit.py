"""Group commit: what several threads want to store under one key is stored by one of them, in one transaction.

The first thread that comes is the leader: its work takes the items of all threads that have come until then, and
returns an outcome for each. Threads that come while it works wait, and one of them is the next leader. So one client
never waits, and with many a transaction, its lock and its wait for the disk serve several.

Rule: every thread returns when its own item is stored, and raises what its own item raised. An error of the work
itself, such as a database that does not answer, is raised by every thread whose item was taken.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Take = Callable[[], Sequence[Item]]
Outcomes = Sequence[Result | BaseException]

MAX_ITEMS: Final = 32  # of one transaction: the memory of a statement, and the time that another process waits for it


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    """An item, and what became of it; `is_leader` when its thread has to store."""

    item: Item
    woken: Event = field(default_factory=Event)
    is_leader: bool = False
    outcome: Result | BaseException | None = None


class GroupCommit(Generic[Item, Result]):
    """Calls `work` with a key and a function that takes the items, which it may call as often as it is repeated."""

    def __init__(self, work: Callable[[str, Take[Item]], Outcomes[Result]]) -> None:
        self._work = work
        self._waiting: dict[Hashable, list[_Waiting[Item, Result]]] = {}
        self._lock = Lock()

    def submit(self, key: str, item: Item) -> Result:
        """Store an item, and return its result."""
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            mine.is_leader = key not in self._waiting
            self._waiting.setdefault(key, []).append(mine)
        if not mine.is_leader:
            mine.woken.wait()
        if mine.is_leader:
            self._lead(key, mine)
        if isinstance(mine.outcome, BaseException):
            raise mine.outcome
        return mine.outcome  # type: ignore[return-value]  # the work has returned one for each item

    def _lead(self, key: str, mine: _Waiting[Item, Result]) -> None:
        taken: list[_Waiting[Item, Result]] = []

        def take() -> Sequence[Item]:
            if not taken:
                with self._lock:
                    taken.extend(self._waiting[key][:MAX_ITEMS])
                    del self._waiting[key][:MAX_ITEMS]
            return [one.item for one in taken]

        try:
            outcomes: Outcomes[Result] = self._work(key, take)
        except BaseException as error:  # noqa: BLE001 - raised again by each thread
            outcomes = [error] * len(taken or [mine])
        finally:
            self._hand_over(key, mine, taken)
        for one, outcome in zip(taken or [mine], outcomes, strict=True):
            one.outcome = outcome
            one.woken.set()

    def _hand_over(self, key: str, mine: _Waiting[Item, Result], taken: Sequence[_Waiting[Item, Result]]) -> None:
        """Wake the next leader, if one waits."""
        with self._lock:
            left = self._waiting[key]
            if not taken:  # the work failed before it took anything
                left.remove(mine)
            if left:
                left[0].is_leader = True
                left[0].woken.set()
            else:
                del self._waiting[key]
