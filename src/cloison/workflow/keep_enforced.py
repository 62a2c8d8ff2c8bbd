"""Keeps a project's policy enforced while its containers come and go.

Input: an `Enforcer`, and a function that receives what happened. Output: the rules of the kernel, brought in line
within milliseconds after a container has started, a network was made, or somebody removed the rules.
Rules:
  - What comes is closed by place, by the rules that stand already; this loop opens it. So being late costs time and no
    secret.
  - Any number of notices that wait are one change. Where they go on and on the loop rests between two changes, and
    takes a fifth of a processor; a container that starts alone never waits for that.
  - An engine that is away changes nothing: the rules stay as they are.
  - Rules that somebody removes are loaded again by a thread of their own, which never waits for the engine.
  - Both threads go before other work of the machine: being late is a gap, or a service that does not answer.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError, Event, Lock, Thread
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.enforce.layout import table_name
from cloison.engine.event_stream import ANYTHING, Changes, EventStream, Subscription, event_stream
from cloison.errors import NotProven
from cloison.linux.change_notices import drained, link_notices, rule_notices
from cloison.workflow import enforcement
from cloison.workflow.enforcement import Enforcer

RECONCILE_SECONDS: Final = 30.0
"""How often the rules are compared without a notice: a notice may be lost."""
SETTLE_SECONDS: Final = 0.005
"""How long notices are collected: the engine makes an interface, attaches it and tells about it one after the other."""
POLL_SECONDS: Final = 0.5
SHARE: Final = 0.2
"""The share of a processor that the loop takes while notices go on and on."""
BURST: Final = 2.0
"""Seconds of processor time that it may take at once before that: dozens of containers that start together."""
LONGEST_REST: Final = 1.0
"""Seconds for which a container that has started may stay closed because the loop rests."""
NICENESS: Final = -10
"""The priority of both threads (setpriority(2)), where this process may raise it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the loop did. `gap` is how long, in seconds, the rules may have been gone, 0 if they were not."""

    sentence: str
    seconds: float
    gap: float = 0.0


class Effort:
    """The processor time that was spent and is not earned back yet, in seconds: a bucket that leaks with SHARE."""

    def __init__(self, now: float) -> None:
        self._spent, self._at = 0.0, now

    def rest_after(self, used: float, now: float) -> float:
        """Return the seconds to rest after some processor time, none within BURST."""
        self._spent = max(0.0, self._spent - (now - self._at) * SHARE) + used
        self._at = now
        return min(max(0.0, self._spent - BURST) / SHARE, LONGEST_REST)


class Keeper:
    """The loop about one project; `replace_policy` gives it another policy while it runs."""

    def __init__(self, enforcer: Enforcer, report: Callable[[Change], None], events: EventStream | None = None) -> None:
        self.stopped, self._ready = Event(), Barrier(3)
        self.failure: Exception | None = None
        self._enforcer, self._report, self._events = enforcer, report, events
        self._name = table_name(enforcer.project.name)
        self._lock = Lock()

    def replace_policy(self, project: Project, policy: Policy) -> None:
        """Enforce another policy from now on; connections that it does not allow are cut."""
        with self._lock:
            if (project, policy) != (self._enforcer.project, self._enforcer.policy):
                self._enforcer.project, self._enforcer.policy = project, policy
                self._enforcer.forget()
                self._bring_in_line(again=True)

    def check(self) -> None:
        """Raise what ended the loop, if an error that nobody expected did."""
        if self.failure is not None:
            raise self.failure

    def run(self, loop: Callable[[], None]) -> None:
        """Run one of the loops; an error that nobody expected is told, and kept for `check`."""
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            loop()
        except Exception as error:  # noqa: BLE001  # `check` raises it in the thread that waits
            self.failure = error
            self._report(Change(f"the rules are not kept any more: {error!r}", 0))
            self._ready.abort()

    def wait_until_ready(self) -> None:
        """Wait until both loops hear of every change; an error of one ends the wait."""
        with suppress(BrokenBarrierError):
            self._ready.wait()

    def follow(self) -> None:
        """Bring the rules in line with the containers until `stopped` is set."""
        compared, rest, effort = time.monotonic(), 0.0, Effort(time.monotonic())
        with ExitStack() as stack:
            stream = self._events or stack.enter_context(event_stream())
            events = stream.subscribe()
            stack.callback(events.close)
            links = stack.enter_context(link_notices())
            poller = select.poll()
            for descriptor in (events.descriptor, links.fileno()):
                poller.register(descriptor, select.POLLIN)
            self.wait_until_ready()
            while not self.stopped.wait(rest):
                if poller.poll(int(POLL_SECONDS * 1000)):
                    time.sleep(SETTLE_SECONDS)
                is_due, is_linked = time.monotonic() - compared > RECONCILE_SECONDS, drained(links)
                began = time.thread_time()
                with self._lock:
                    if is_due:
                        self.restore(compared)
                        compared = time.monotonic()
                    self._follow_engine(events, is_due=is_due, is_noticed=is_linked)
                rest = effort.rest_after(time.thread_time() - began, time.monotonic())

    def _follow_engine(self, events: Subscription, *, is_due: bool, is_noticed: bool) -> None:
        """Bring the rules in line if something of the project changed."""
        changes = events.drained()
        if not events.is_away and (is_due or is_noticed or (changes and self._concern(changes))):
            self._bring_in_line(again=is_due or bool(changes and changes.networks))

    def _concern(self, changes: Changes) -> bool:
        """Whether something of the project may have changed: any network counts, a container may be new on it."""
        own = f"project:{self._enforcer.project.name}"
        return any(key in {ANYTHING, own} or key.startswith("network:") for key in changes.keys)

    def guard(self) -> None:
        """Load the rules again when somebody changes them, until `stopped` is set."""
        with rule_notices() as rules:
            poller = select.poll()
            poller.register(rules, select.POLLIN)
            self.wait_until_ready()
            while not self.stopped.is_set():
                if poller.poll(int(POLL_SECONDS * 1000)):
                    noticed_at = time.monotonic()
                    if drained(rules, self._name.encode()):
                        self.restore(noticed_at)

    def restore(self, since: float) -> None:
        """Load the rules of the last time again if those of the kernel differ; the engine is not asked."""
        began, name, text = time.monotonic(), self._enforcer.project.name, self._enforcer.text
        try:
            if not text or not enforcement.standing_differs(name, text) or not self._enforcer.reload(text):
                return
        except (NotProven, OSError) as error:
            self._report(Change(str(error), 0))
            return
        now = time.monotonic()
        says = f"somebody changed the rules; they stand again after at most {(now - since) * 1000:.0f} ms"
        self._report(Change(f"{name}: {says}", now - began, now - since))

    def _bring_in_line(self, *, again: bool) -> None:
        began, before = time.monotonic(), self._enforcer.text
        try:
            done = self._enforcer.apply(again=again)
        except (
            NotProven,
            OSError,
        ) as error:  # the engine or a container went away meanwhile; the next notice tries again
            self._report(Change(str(error), 0))
            return
        if self._enforcer.text != before:
            what = f"{len(done.openings)} connections open between {len(done.layout.ports)} ports"
            self._report(Change(f"{self._enforcer.project.name}: {what}", time.monotonic() - began))


@contextmanager
def kept_enforced(
    enforcer: Enforcer, report: Callable[[Change], None], events: EventStream | None = None
) -> Iterator[Keeper]:
    """Keep the policy enforced in two threads, to the end of this context; several may share a stream of events."""
    keeper = Keeper(enforcer, report, events)
    loops = (keeper.follow, keeper.guard)
    threads = [Thread(target=keeper.run, args=(loop,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    keeper.wait_until_ready()
    try:
        yield keeper
    finally:
        keeper.stopped.set()
        for thread in threads:
            thread.join()
    keeper.check()
