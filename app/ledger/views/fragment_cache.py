"""What was rendered once and cannot change: pieces of pages, kept in the process until others need the room.

Rule: a key names its content for ever (a digest, or two), so nothing is ever thrown away for being old.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from sys import getsizeof
from threading import Lock
from typing import Final, TypeVar, cast

Piece = TypeVar("Piece", bound=str)

OVERHEAD: Final = 500  # bytes that an entry costs besides its text: a key, a place in the order


class Fragments:
    """Remembers what was used last, as much as fits into `room` bytes. Threads may share it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._used = 0
        self._kept: OrderedDict[Hashable, tuple[str, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, render: Callable[[], Piece]) -> Piece:
        """Return what `key` names, rendering it at most once as long as it is remembered."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast("Piece", self._kept[key][0])
        # Outside the lock: two that want the same at once render it twice, and nobody else waits for them.
        made = render()
        self._keep(key, made)
        return made

    @property
    def used(self) -> int:
        """How many bytes are kept."""
        return self._used

    def _keep(self, key: Hashable, made: str) -> None:
        size = getsizeof(made) + OVERHEAD  # two bytes a letter where one of them is an arrow
        with self._lock:
            if size > self._room or key in self._kept:
                return
            self._kept[key] = made, size
            self._used += size
            while self._used > self._room:
                _, (_, freed) = self._kept.popitem(last=False)
                self._used -= freed
