"""Learns the used connections of a project over days, round after round, into its record.

Input: an engine on this machine, and a project with its policy. Output: the record, which `usage_store` keeps.
Rules:
  - What a round needs of the one before it (which connections it has counted, and their bytes) is in this process; the
    record has what outlives it. So a connection that stands while the process is started again is counted twice, and
    its bytes until then too; no use is lost by that.
  - The probes of a proof are packets that the policy allows, so the counters of the enforced rules count them:
    `own_probes` takes the counters of a proof's time out of the record.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Final

from cloison.compose.policy import Policy, policy
from cloison.compose.project import Project
from cloison.draft.seen_needs import Beginning, named_connections
from cloison.engine import Engine, connection, select
from cloison.errors import CloisonError, NotProven
from cloison.linux import netns
from cloison.model.facts import Facts
from cloison.observe import bridge_ports, live_connections
from cloison.observe.live_connections import LiveConnections, Watch
from cloison.usage import counters, record
from cloison.usage.counters import Owners
from cloison.usage.line_use import lines
from cloison.usage.record import Arrow, Seen, Usage
from cloison.workflow import enforcement, usage_store

ROUND_SECONDS: Final = 30.0
SAMPLE_INTERVAL: Final = 5.0
"""Seconds between two samples of a round: a closed TCP connection stays in the table of its sockets for 60 s
(TCP_TIMEWAIT_LEN of net/tcp.h), and events tell of the others where the kernel tracks connections."""
REREAD_ROUNDS: Final = 10
"""After how many rounds the Compose file is read again."""
LONGEST_GAP: Final = 120
"""Seconds between two rounds that still count as watched."""

_Known = tuple[Arrow, Beginning]
"""A connection: what it is, and the end that began it."""


@dataclass
class Learner:
    """Learns about one project."""

    engine: Engine
    project: Project
    reread: Callable[[], Project] | None = None
    """Reads the project again: its policy may have changed."""
    _known: dict[_Known, int | None] = field(default_factory=dict)
    """The connections of the last round with their bytes, where these are known."""

    def learn(self, watch: Watch | None = None) -> Usage:
        """Add what is seen now, or within some seconds, to the record, and return it.

        Raises NotProven if the engine does not answer, UsageError and FileError for a record that cannot be kept.
        """
        live = live_connections.live_connections(self.engine, self.project, watch)
        rules = policy(self.project)
        with usage_store.changed(self.project.name) as usage:
            with usage_store.unless_probing(self.project.name) as is_quiet:
                by_packets = _by_counters(usage, self.project, live.facts) if is_quiet else Seen({})
            seen = self._seen(live, by_packets)
            record.add(usage, seen, int(time.time()), LONGEST_GAP, _keys(self.project, rules))
            return usage

    def _seen(self, live: LiveConnections, by_packets: Seen) -> Seen:
        named = named_connections(self.project, live.facts, live.connections, live.host_owners)
        now: dict[_Known, int | None] = {}
        for item, ((source, target, protocol, port), begin) in named.items():
            known = Arrow(source, target, protocol.value, port), begin
            sizes = [size for size in (now.get(known), live.bytes.get(item)) if size is not None]
            now[known] = max(sizes, default=None)
        used: Counter[Arrow] = Counter(dict.fromkeys(by_packets.used, 0))
        volume: Counter[Arrow] = Counter()
        for known, size in now.items():
            used[known[0]] += known not in self._known
            if size is not None:
                volume[known[0]] += max(0, size - (self._known.get(known) or 0))
        self._known = now
        both = {arrow: max(volume[arrow], by_packets.bytes.get(arrow, 0)) for arrow in {*volume, *by_packets.bytes}}
        return Seen(dict(used), both, by_packets.is_counted)


def _keys(project: Project, rules: Policy | None) -> list[str]:
    return [line.key for line in lines(project, rules)] if rules else []


def _by_counters(usage: Usage, project: Project, facts: Facts) -> Seen:
    """Return what the counters of the enforced rules show; nothing where the project is not enforced."""
    tables = enforcement.standing(project.name)
    layout = bridge_ports.layout(facts, project)
    owners = Owners(
        {address: port.places for port in layout.ports for address in port.addresses},
        {port.name: port.places for port in layout.ports},
    )
    found = counters.counted(usage, tables, owners)
    return found._replace(is_counted=found.is_counted and not layout.uncovered)


@contextmanager
def own_probes(project: Project, facts: Facts) -> Iterator[None]:
    """Take what the counters of the enforced rules count in this context for Cloison's own, where a record is kept.

    A record that cannot be kept is no reason not to prove: then the probes count as use.
    """
    with ExitStack() as stack:
        with suppress(CloisonError, OSError):
            if usage_store.path_of(project.name).exists():
                stack.enter_context(usage_store.probing(project.name))
                _read_counters(project, facts, is_use=True)
                stack.callback(_read_counters, project, facts, is_use=False)
        yield


def _read_counters(project: Project, facts: Facts, *, is_use: bool) -> None:
    with suppress(CloisonError, OSError), usage_store.changed(project.name) as usage:
        seen = _by_counters(usage, project, facts)
        if is_use and usage.periods:
            record.add(usage, seen, int(time.time()), LONGEST_GAP, usage.lines)


@contextmanager
def learning(learner: Learner, report: Callable[[str], None]) -> Iterator[None]:
    """Learn in another thread to the end of this context; what prevents a round is told once."""
    over = Event()
    thread = Thread(target=_follow, args=(learner, report, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def require_access() -> None:
    """Raise NotProven where this process cannot read the connections of the engine's machine."""
    with connection.engine_connection() as engine:
        if not (engine.is_local() and netns.can_enter()):
            raise NotProven("connections are read by root on the engine's machine only; run this there, with sudo")


def learned_now(project: Project) -> tuple[Usage, str]:
    """Return the record of a project with what is seen now, and why nothing could be added, or an empty text.

    Raises UsageError and FileError for a record that cannot be kept.
    """
    try:
        require_access()
        with closing(select.engine()) as engine:
            return Learner(engine, project).learn(), ""
    except NotProven as error:
        return usage_store.read(project.name), f"The connections of now were not read: {error}."


def _follow(learner: Learner, report: Callable[[str], None], over: Event) -> None:
    watch, last = Watch(ROUND_SECONDS, SAMPLE_INTERVAL, over.is_set), ""
    rounds = 0
    while not over.is_set():
        rounds += 1
        try:
            if learner.reread and rounds % REREAD_ROUNDS == 0:
                learner.project = learner.reread()
            learner.learn(watch)
            last = ""
        except (CloisonError, OSError) as error:
            if str(error) != last:  # an engine that is away for a night is one line
                report(f"not learned: {error}")
            last = str(error)
            over.wait(SAMPLE_INTERVAL)
