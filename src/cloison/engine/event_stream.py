"""Follows the events of the engine in a thread of its own, and wakes the one that waits.

Output: a file descriptor that is readable after an event.
Rule: an event says that something changed, never what is true now; the receiver asks the engine. An engine that is away
is asked again, later each time, and its return is an event.
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from cloison.engine.connection import FAILURES, local_client
from cloison.errors import NotProven

ACTIONS: Final = frozenset({"start", "die", "pause", "unpause", "connect", "disconnect", "create", "destroy"})
"""Actions of containers and networks after which ports or addresses may differ; a health check is none."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between two attempts to reach an engine that does not answer, at first and at most."""
PART_OF_ABSENCE: Final = 1 / 20
"""A pause grows by this part of the time that the engine has been away: one that restarts is noticed at once, because
containers that came back with it are closed until then, and one that stays away is seldom asked."""
NETWORK: Final = b"n"
OTHER: Final = b"c"


class EventStream:
    """The events since the last question. `is_away` while the engine does not answer."""

    def __init__(self, reader: int, writer: int) -> None:
        self.descriptor = reader
        self._writer = writer
        self._stopped = threading.Event()
        self.is_away = False

    def drained(self) -> bool | None:
        """Take all events that wait: True if networks came or went, False for other events, None if there is none."""
        found = b""
        try:
            while chunk := os.read(self.descriptor, 4096):
                found += chunk
        except BlockingIOError:
            pass
        return NETWORK in found if found else None

    def stop(self) -> None:
        """End the thread at the engine's next answer; it does not keep the process alive."""
        self._stopped.set()

    def follow(self) -> None:
        """Read events until `stop`."""
        away_since = time.monotonic()
        while not self._stopped.is_set():
            try:
                api = local_client()
                try:
                    stream = api.events(decode=True, filters={"type": ["container", "network"]})
                    self.is_away = False
                    self._wake(NETWORK)  # whatever happened before
                    for event in stream:
                        self._on_event(event)
                finally:
                    api.close()
            except (*FAILURES, NotProven, OSError, ValueError):
                pass  # the engine restarts or hangs; what it says then is not JSON
            if not self.is_away:
                away_since = time.monotonic()
            self.is_away = True
            self._wake(NETWORK)
            pause = min(FIRST_PAUSE + PART_OF_ABSENCE * (time.monotonic() - away_since), LONGEST_PAUSE)
            self._stopped.wait(pause * random.uniform(0.5, 1))  # noqa: S311  # jitter, not a secret

    def _on_event(self, event: Any) -> None:
        action = str(event.get("Action", "")).partition(":")[0]
        if action in ACTIONS:
            is_new = event.get("Type") == "network" and action in ("create", "destroy")
            self._wake(NETWORK if is_new else OTHER)

    def _wake(self, kind: bytes) -> None:
        with suppress(OSError):  # the pipe is full of events, so the reader wakes anyway
            os.write(self._writer, kind)


@contextmanager
def event_stream() -> Iterator[EventStream]:
    """Yield the events of the engine on this machine."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    found = EventStream(reader, writer)
    thread = threading.Thread(target=found.follow, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop()  # the descriptors stay open: the thread may still write
