"""Decides when a project is proven: after a change has settled, and from time to time.

Input: the moments of changes and of proofs, in seconds of any steady clock. Output: the moment of the next proof. No
clock and no randomness of its own.
Rules:
  - A change waits until nothing has happened for `SETTLE_SECONDS`, and for `LONGEST_UNREST` at most.
  - Proofs after changes take a fifth of the time at most: after one that took 2 s the next waits 8 s.
  - A proof that fails is tried again, later each time, and not later than the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SETTLE_SECONDS: Final = 2.0
"""Containers of a project start one after the other."""
LONGEST_UNREST: Final = 30.0
REST_SHARE: Final = 4.0
"""How much longer than a proof took the next one waits."""
FIRST_RETRY: Final = 5.0
JITTER: Final = 0.1
"""The share of an interval by which it is shorter at random: many machines shall not send at once."""


@dataclass
class Schedule:
    """When one project is proven; `interval` in seconds."""

    interval: float
    timer: float = 0
    rest_ends: float = 0
    failures: int = 0
    _first_change: float | None = None
    _last_change: float = 0

    def changed(self, now: float) -> None:
        """Note a change."""
        if self._first_change is None:
            self._first_change = now
        self._last_change = now

    @property
    def due(self) -> float:
        """The moment of the next proof."""
        if self._first_change is None:
            return self.timer
        settled = min(self._last_change + SETTLE_SECONDS, self._first_change + LONGEST_UNREST)
        return min(max(settled, self.rest_ends), self.timer)

    def begun(self) -> None:
        """Note that a proof begins: it sees the changes until now."""
        self._first_change = None

    def ended(self, now: float, took: float, chance: float, *, is_proven: bool) -> None:
        """Note that a proof ended; `chance` is a random number from 0 to 1."""
        self.failures = 0 if is_proven else self.failures + 1
        wait = self.interval if is_proven else min(self.interval, FIRST_RETRY * 2 ** min(self.failures - 1, 20))
        self.timer = now + wait * (1 - JITTER * chance)
        self.rest_ends = now + min(took * REST_SHARE, self.interval)
