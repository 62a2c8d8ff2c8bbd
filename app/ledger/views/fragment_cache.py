"""A cache of rendered fragments of pages in the process, with least-recently-used eviction.

Rule: a key determines its content (one or two digests), so entries never expire.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from sys import getsizeof
from threading import Lock
from typing import Final, TypeVar, cast

Fragment = TypeVar("Fragment", bound=str)

ENTRY_OVERHEAD: Final = 500  # bytes of an entry besides its text: the key and the entry in the dict


class FragmentCache:
    """Caches the most recently used texts, up to `capacity` bytes; safe for threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._entries: OrderedDict[Hashable, tuple[str, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, render: Callable[[], Fragment]) -> Fragment:
        """Return the text for `key`; call `render` only if it is not in the cache."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return cast("Fragment", self._entries[key][0])
        # Without the lock: two threads may render the same text at once, but no other thread waits for them.
        rendered = render()
        self._insert(key, rendered)
        return rendered

    @property
    def used(self) -> int:
        """The bytes in the cache."""
        return self._used

    def _insert(self, key: Hashable, rendered: str) -> None:
        size = getsizeof(rendered) + ENTRY_OVERHEAD  # a text with an arrow takes two bytes for each character
        with self._lock:
            if size > self._capacity or key in self._entries:
                return
            self._entries[key] = rendered, size
            self._used += size
            while self._used > self._capacity:
                _, (_, freed) = self._entries.popitem(last=False)
                self._used -= freed
