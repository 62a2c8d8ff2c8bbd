"""Follows the events of the engine in a thread of its own, and wakes those that wait.

Output: for each subscription a file descriptor that is readable after an event, and the keys of what changed.
Rules:
  - An event says that something changed, never what is true now; the receiver asks the engine.
  - An engine that is away is asked again, later each time, and its return is an event. One that sends nothing for
    `KEEP_ALIVE` seconds is asked for what it has sent since: an engine that hangs holds its connections open, and does
    not answer that.
  - What waits has a bounded size: a key is stored once, and more than `MOST_KEYS` of them are "anything".
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import requests
import urllib3

from cloison.engine.connection import API_TIMEOUT, FAILURES, local_client
from cloison.engine.labels import COMPOSE_PROJECT
from cloison.errors import NotProven

ACTIONS: Final = frozenset(
    {"start", "die", "died", "pause", "unpause", "connect", "disconnect", "create", "destroy", "remove"}
)
"""Actions of containers and networks after which ports or addresses may differ; a health check is none.

`died` and `remove` are Podman's words: https://docs.podman.io/en/latest/markdown/podman-events.1.html
"""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between two attempts to reach an engine that does not answer, at first and at most."""
PART_OF_ABSENCE: Final = 1 / 20
"""A pause grows by this part of the time that the engine has been away: one that restarts is noticed at once, because
containers that came back with it are closed until then, and one that stays away is seldom asked."""
KEEP_ALIVE: Final = 15.0
"""Seconds without an event after which the engine is asked again whether it is there."""
MOST_KEYS: Final = 1000
"""Projects and networks that wait to be read, before they become `ANYTHING`."""
OF_A_CONTAINER: Final = (("project", COMPOSE_PROJECT),)
ANYTHING: Final = "*"
"""The key of an event that may concern everything, as the return of the engine is."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened: `project:NAME`, `network:NAME` and `container:ID`, and whether networks came or went."""

    keys: frozenset[str]
    networks: bool

    def concern(self, *keys: str) -> bool:
        """Whether something of it has one of these keys."""
        return ANYTHING in self.keys or not self.keys.isdisjoint(keys)


class Subscription:
    """The events since the last question, for one reader."""

    def __init__(self, stream: EventStream) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stream, self._lock = stream, threading.Lock()
        self._keys: set[str] = set()
        self._networks = self._is_closed = False

    @property
    def is_away(self) -> bool:
        """Whether the engine does not answer."""
        return self._stream.is_away

    def drained(self) -> Changes | None:
        """Take all events that wait, None if there is none."""
        with self._lock:
            with suppress(BlockingIOError):
                os.eventfd_read(self.descriptor)
            found = Changes(frozenset(self._keys), self._networks) if self._keys else None
            self._keys, self._networks = set(), False
        return found

    def add(self, keys: frozenset[str], *, networks: bool) -> None:
        """Store keys, and wake the reader."""
        with self._lock:
            if not keys or self._is_closed:
                return
            self._keys |= keys
            self._networks |= networks
            if len(self._keys) > MOST_KEYS:
                self._keys = {ANYTHING}
            os.eventfd_write(self.descriptor, 1)

    def close(self) -> None:
        """Receive nothing any more."""
        self._stream.unsubscribe(self)
        with self._lock:
            self._is_closed = True
            os.close(self.descriptor)


class _QuietError(Exception):
    """The engine sent no event for the time of a keep-alive."""


class EventStream:
    """The connection to the engine. `is_away` while it does not answer, `count` events were read."""

    def __init__(self, keep_alive: float = KEEP_ALIVE) -> None:
        self.is_away = False
        self.count = 0
        self._keep_alive = keep_alive
        self._stopped = threading.Event()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._since = 0
        """Nanoseconds since 1970 of the last event, by the engine's clock; 0 while not connected."""

    def subscribe(self) -> Subscription:
        """Return a new subscription, whose first event is `ANYTHING`."""
        found = Subscription(self)
        found.add(frozenset({ANYTHING}), networks=True)
        self._subscriptions = (*self._subscriptions, found)
        return found

    def unsubscribe(self, subscription: Subscription) -> None:
        """Let a subscription receive nothing any more."""
        self._subscriptions = tuple(known for known in self._subscriptions if known is not subscription)

    def stop(self) -> None:
        """Let the thread end with the next event, or the next keep-alive."""
        self._stopped.set()

    def follow(self) -> None:
        """Read events until `stop`."""
        away_since = time.monotonic()
        while not self._stopped.is_set():
            try:
                with closing(local_client()) as api:  # a new one each time: it finds out whether the engine answers
                    self._read(api)
            except _QuietError:
                continue
            except (*FAILURES, urllib3.exceptions.HTTPError, NotProven, OSError, ValueError):
                pass  # the engine restarts or hangs; what it says then is not JSON
            self._since = 0
            if not self.is_away:
                away_since = time.monotonic()
            self.is_away = True
            self._tell(frozenset({ANYTHING}), networks=True)
            pause = min(FIRST_PAUSE + PART_OF_ABSENCE * (time.monotonic() - away_since), LONGEST_PAUSE)
            self._stopped.wait(pause * random.uniform(0.5, 1))  # noqa: S311  # jitter, not a secret

    def _read(self, api: Any) -> None:
        """Read events until the engine ends the stream; _QuietError if it sent none for the time of a keep-alive."""
        is_first, now = not self._since, time.time_ns()
        since = self._since or now
        answer = api.get(
            f"{api.base_url}/v{api.api_version}/events",
            params={
                "filters": json.dumps({"type": ["container", "network"]}),
                "since": f"{since // 10**9}.{since % 10**9:09}",
            },
            stream=True,
            timeout=(API_TIMEOUT, max(self._keep_alive, 0.1)),
        )
        with answer:
            answer.raise_for_status()
            self._since, self.is_away = since, False
            if is_first:
                self._tell(frozenset({ANYTHING}), networks=True)  # whatever happened before
            try:
                for line in answer.iter_lines():
                    self._on_event(json.loads(line))
                    if self._stopped.is_set():
                        return
            except requests.ConnectionError as error:
                if isinstance(error.args[0], urllib3.exceptions.ReadTimeoutError):
                    raise _QuietError from error
                raise

    def _on_event(self, event: Mapping[str, Any]) -> None:
        moment = int(event.get("timeNano", 0))
        if moment and moment <= self._since:
            return  # it was read before the keep-alive
        self._since = max(moment, self._since)
        self.count += 1
        action = str(event.get("Action", "")).partition(":")[0]
        if action not in ACTIONS:
            return
        is_network = event.get("Type") == "network"
        self._tell(keys_of(event), networks=is_network and action in {"create", "destroy", "remove"})

    def _tell(self, keys: frozenset[str], *, networks: bool) -> None:
        for subscription in self._subscriptions:
            subscription.add(keys, networks=networks)


def keys_of(event: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of an event: its network and the container there, or the project of its container.

    A container without a project matters only on a network, and that has an event of its own.
    """
    attributes = (event.get("Actor") or {}).get("Attributes") or {}
    names = (("network", "name"), ("container", "container")) if event.get("Type") == "network" else OF_A_CONTAINER
    return frozenset(f"{kind}:{attributes[name]}" for kind, name in names if name in attributes)


@contextmanager
def event_stream(keep_alive: float = KEEP_ALIVE) -> Iterator[EventStream]:
    """Follow the events of the engine on this machine, to the end of this context."""
    found = EventStream(keep_alive)
    thread = threading.Thread(target=found.follow, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop()  # the thread is not waited for: it ends with the next event or keep-alive
