"""What was rendered once and cannot change: fragments of pages, kept in the process until others need the room.

Rule: a key names its content for ever (a digest, or two), so nothing is ever thrown away for being old.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from sys import getsizeof
from threading import Lock
from typing import Final, TypeVar, cast

Fragment = TypeVar("Fragment", bound=str)

ENTRY_OVERHEAD: Final = 500  # bytes that an entry costs besides its text: a key, a place in the order


class FragmentCache:
    """Remembers what was used last, as much as fits into `capacity` bytes. Threads may share it."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._entries: OrderedDict[Hashable, tuple[str, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, render: Callable[[], Fragment]) -> Fragment:
        """Return what `key` names, rendering it at most once as long as it is remembered."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return cast("Fragment", self._entries[key][0])
        # Outside the lock: two that want the same at once render it twice, and nobody else waits for them.
        rendered = render()
        self._insert(key, rendered)
        return rendered

    @property
    def used(self) -> int:
        """How many bytes are kept."""
        return self._used

    def _insert(self, key: Hashable, rendered: str) -> None:
        size = getsizeof(rendered) + ENTRY_OVERHEAD  # two bytes a letter where one of them is an arrow
        with self._lock:
            if size > self._capacity or key in self._entries:
                return
            self._entries[key] = rendered, size
            self._used += size
            while self._used > self._capacity:
                _, (_, freed) = self._entries.popitem(last=False)
                self._used -= freed
