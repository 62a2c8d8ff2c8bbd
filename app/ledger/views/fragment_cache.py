"""A cache of rendered fragments of pages in the process, with least-recently-used eviction and single flight.

Rule: a key determines its content (one or two digests), so entries never expire. A text is rendered once, however many
requests want it at that time: the others wait for it, and give up after a deadline, so that one slow page does not take
every thread.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from sys import getsizeof
from threading import Lock, get_ident
from typing import Final, TypeVar, cast

Fragment = TypeVar("Fragment", bound=str)

ENTRY_OVERHEAD: Final = 500  # bytes of an entry besides its text: the key and the entry in the dict
RENDER_DEADLINE: Final = 10.0  # seconds; below the 30 s after which the proxy gives up


class BusyError(Exception):
    """The text is being rendered, and was not ready before the deadline."""


@dataclass(slots=True)
class _Flight:
    """A rendering under way, and the thread that does it."""

    thread: int = field(default_factory=get_ident)
    text: Future[str] = field(default_factory=Future)


class FragmentCache:
    """Caches the most recently used texts, up to `capacity` bytes; safe for threads."""

    def __init__(self, capacity: int, *, deadline: float = RENDER_DEADLINE) -> None:
        self._capacity = capacity
        self._deadline = deadline
        self._used = 0
        self._entries: OrderedDict[Hashable, tuple[str, int]] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._lock = Lock()

    def get(self, key: Hashable, render: Callable[[], Fragment]) -> Fragment:
        """Return the text for `key`; call `render` only if it is not in the cache and nobody renders it.

        Raises BusyError after the deadline, and what `render` raised, whoever called it.
        """
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return cast("Fragment", self._entries[key][0])
            flight = self._flights.get(key)
            is_own = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if is_own:
            return self._render(key, flight, render)
        if flight.thread == get_ident():  # a text that needs itself: waiting would last for ever
            return render()
        try:
            return cast("Fragment", flight.text.result(self._deadline))
        except TimeoutError:
            if flight.text.done():  # the rendering itself timed out
                raise
            raise BusyError from None

    def _render(self, key: Hashable, flight: _Flight, render: Callable[[], Fragment]) -> Fragment:
        try:
            rendered = render()
        except BaseException as error:
            with self._lock:
                del self._flights[key]
            flight.text.set_exception(error)
            raise
        self._insert(key, rendered)
        flight.text.set_result(rendered)
        return rendered

    @property
    def used(self) -> int:
        """The bytes in the cache."""
        return self._used

    def _insert(self, key: Hashable, rendered: str) -> None:
        size = getsizeof(rendered) + ENTRY_OVERHEAD  # a text with an arrow takes two bytes for each character
        with self._lock:
            del self._flights[key]
            if size > self._capacity:
                return
            self._entries[key] = rendered, size
            self._used += size
            while self._used > self._capacity:
                _, (_, freed) = self._entries.popitem(last=False)
                self._used -= freed
