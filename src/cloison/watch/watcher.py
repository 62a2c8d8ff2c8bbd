"""Follows the projects of an engine: proves each after its changes and from time to time, and keeps policies enforced.

Input: which projects, how they are proven, and where the results go. Output: lines, metrics, messages, proofs.
Rules:
  - An error is told once and counted, and everything else goes on: an engine that is away, a file that is wrong, a
    project that cannot be proven.
  - What enforces a project runs in a thread of its own, so nothing that is slow here keeps a container closed.
"""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.diff.compare import compare
from cloison.engine import connection
from cloison.engine import select as engine_select
from cloison.engine.compose_cli import Selection
from cloison.engine.running_projects import running_projects
from cloison.errors import PROVEN, UNPROVEN, CloisonError, NotProven, UsageError, unexpected
from cloison.proof.schema import digest
from cloison.reports import diff_lines, verdict_line
from cloison.watch.project_state import WatchedProject, judged, not_judged
from cloison.watch.schedule import Schedule
from cloison.workflow import enforcement, learn_usage
from cloison.workflow.keep_enforced import kept_enforced
from cloison.workflow.prove import prove, resolved
from cloison.workflow.request import PolicySource, Request
from cloison_view.summary import count_connections

if TYPE_CHECKING:
    from cloison.compose.project import Project
    from cloison.engine.event_stream import EventStream
    from cloison.proof.schema import Proof
    from cloison.watch.metrics import Metrics
    from cloison.workflow.keep_enforced import Change

GATHER_SECONDS: Final = 0.5
"""How long events are collected before the list of projects is read again."""
HEARTBEAT: Final = 15.0
"""Seconds after which the metrics are written although nothing happened."""
MOST_LINES: Final = 12
"""Changes between two proofs that are told one by one."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Which projects: one by its `selection`, those with these `names`, or with neither every project that runs."""

    selection: Selection | None = None
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """How projects are proven; `enforces` is None where each policy says it."""

    interval: float
    timeout: float
    deadline: float
    strict: bool
    enforces: bool | None
    policy_source: PolicySource
    learns: bool = False
    """Whether the used connections are recorded."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where results go; `deliver` sends a proof to the ledger, `notify` a message to the webhook."""

    tell: Callable[[str], None]
    metrics: Metrics
    exit_code: Callable[[Proof], int]
    deliver: Callable[[Proof], None] = lambda _: None
    notify: Callable[[Mapping[str, Any]], None] = lambda _: None
    write_metrics: Callable[[], None] = lambda: None


@dataclass
class Watcher:
    """The projects that are watched."""

    targets: Targets
    settings: Settings
    outlets: Outlets
    projects: dict[str, WatchedProject] = field(default_factory=dict)
    stream: EventStream | None = None
    _is_away: bool = False
    _missing: frozenset[str] = frozenset()

    def prove_once(self) -> int:
        """Prove each project once and return the worst exit code: a breach, then what was not proven.

        Raises a CloisonError if there is no project.
        """
        self.find()
        if not self.projects:
            raise NotProven("no Compose project of those to watch runs on this engine")
        codes = [self.prove(project) for project in self.projects.values()]
        codes += [UNPROVEN] * len(self._missing)
        self.outlets.write_metrics()
        return next((code for code in (1, UNPROVEN, 2) if code in codes), PROVEN)

    def follow(self, stream: EventStream) -> None:
        """Follow the projects until a signal ends it."""
        events = stream.subscribe()
        self.stream = stream
        poller = select.poll()
        poller.register(events.descriptor, select.POLLIN)
        known, written = 0, 0.0
        while True:
            if changes := events.drained():
                self._tell_engine(is_away=events.is_away)
                began = time.thread_time()
                self._survive(lambda: self.find(is_required=False), "engine")
                for project in self.projects.values():
                    if changes.concern(*project.keys):
                        project.schedule.changed(time.monotonic())
                time.sleep(max(GATHER_SECONDS, (time.thread_time() - began) * 4))
            self.outlets.metrics.add("cloison_engine_events_total", amount=stream.count - known)
            known = stream.count
            now = time.monotonic()
            first = min(self.projects.values(), key=lambda project: project.schedule.due, default=None)
            if first and first.schedule.due <= now:
                self.prove(first)
            if now - written > HEARTBEAT or (first and first.schedule.due <= now):
                self.outlets.write_metrics()
                written = now
            waits = max(0.0, min(HEARTBEAT, first.schedule.due - time.monotonic() if first else HEARTBEAT))
            poller.poll(waits * 1000)

    def close(self) -> None:
        """End what keeps policies enforced; the rules stay."""
        for project in self.projects.values():
            project.stack.close()

    def _tell_engine(self, *, is_away: bool) -> None:
        self.outlets.metrics.set("cloison_engine_up", not is_away)
        if is_away != self._is_away:
            self._is_away = is_away
            says = "does not answer; what is enforced stays so" if is_away else "answers again"
            self.outlets.tell(f"the engine {says}")
            self.outlets.metrics.add("cloison_errors_total", "engine", amount=is_away)

    def _survive(self, work: Callable[[], None], kind: str) -> None:
        """Do something whose failure must not end the others."""
        try:
            work()
        except CloisonError as error:
            self.outlets.metrics.add("cloison_errors_total", kind)
            if not self._is_away:
                self.outlets.tell(str(error))

    def find(self, *, is_required: bool = True) -> None:
        """Read which projects there are, begin with those that are new, and end those that went.

        Raises a CloisonError if the engine does not answer, and with `is_required` if a project cannot be used.
        """
        with connection.engine_connection() as engine:
            running = {found.name: found for found in running_projects(engine.api)}
        if self.targets.selection is not None:
            for project in self.projects.values() or [self._fixed(self.targets.selection)]:
                project.keys = running[project.name].keys if project.name in running else project.keys
            return
        wanted = {name for name, found in running.items() if found.running}
        wanted &= self.targets.names or wanted
        ended = self.projects.keys() - wanted
        for name in sorted(ended):
            self._end(self.projects.pop(name))
        for name in sorted(wanted - self.projects.keys()):
            try:
                self._begin(WatchedProject(name, running[name].selection(), Schedule(self.settings.interval)))
            except CloisonError as error:
                self._tell_missing(name, str(error), is_required=is_required)
        for name, project in self.projects.items():
            project.keys = running[name].keys
        missing = frozenset((self.targets.names or wanted) - self.projects.keys())
        for name in sorted(missing & self.targets.names - self._missing - wanted - ended):
            self.outlets.tell(f"{name}: does not run; it is watched when it does")
        self._missing = missing
        self.outlets.metrics.set("cloison_watched_projects", len(self.projects))

    def _tell_missing(self, name: str, problem: str, *, is_required: bool) -> None:
        self.outlets.metrics.add("cloison_errors_total", "proof")
        if is_required or name not in self._missing:
            self.outlets.tell(f"{name}: not watched: {problem}")

    def _fixed(self, selection: Selection) -> WatchedProject:

        name = compose_project.project(resolved(selection, self.settings.policy_source)).name
        found = WatchedProject(name, selection, Schedule(self.settings.interval), frozenset({f"project:{name}"}))
        self._begin(found, is_required=True)
        self.outlets.metrics.set("cloison_watched_projects", 1)
        return found

    def _begin(self, project: WatchedProject, *, is_required: bool = False) -> None:
        """Watch a project; with `is_required` a failure to enforce it, or to learn about it, is an error."""
        self.projects[project.name] = project
        if not is_required:
            self.outlets.tell(f"{project.name}: watched")
        steps = {"enforced": self._enforce} | ({"learned": self._learn} if self.settings.learns else {})
        for what, step in steps.items():
            try:
                step(project)
            except CloisonError as error:
                if is_required:
                    raise
                self.outlets.metrics.add("cloison_errors_total", "enforcement" if what == "enforced" else "learning")
                self._tell_about(project.name, f"not {what}: {error}")
                project.is_unenforced |= what == "enforced"

    def _end(self, project: WatchedProject) -> None:
        self.outlets.tell(f"{project.name}: runs no more; it is watched again when it does")
        with suppress(CloisonError):
            project.stack.close()
        self.outlets.metrics.forget(project.name)

    def _enforce(self, project: WatchedProject) -> None:
        """Keep the policy of a project enforced from now on, where that is wanted and it has one."""
        found = compose_project.project(resolved(project.selection, self.settings.policy_source))
        rules = policy.policy(found)
        self.outlets.metrics.set("cloison_project_policy", rules is not None, project.name)
        wanted = self.settings.enforces
        if wanted is None:
            wanted = rules is not None and rules.enforce
        elif wanted and rules is None and self.targets.selection is None:
            self.outlets.tell(f"{project.name}: it has no policy, so it is proven and not enforced")
            wanted = False
        self.outlets.metrics.set("cloison_project_enforced", 0, project.name)
        if wanted:
            enforcer = project.stack.enter_context(enforcement.enforcer(found))
            enforcer.apply()
            report = self._change_reporter(project.name)
            project.keeper = project.stack.enter_context(kept_enforced(enforcer, report, self.stream))
            self.outlets.metrics.set("cloison_project_enforced", 1, project.name)

    def _learn(self, project: WatchedProject) -> None:
        """Record the used connections of a project as long as it is watched."""

        def read() -> Project:
            return compose_project.project(resolved(project.selection, self.settings.policy_source))

        learn_usage.require_access()
        engine = project.stack.enter_context(closing(engine_select.engine()))
        learner = learn_usage.Learner(engine, read(), read)
        report = partial(self._tell_about, project.name)
        project.stack.enter_context(learn_usage.learning(learner, report))

    def _tell_about(self, name: str, sentence: str) -> None:
        self.outlets.tell(f"{name}: {sentence}")

    def _change_reporter(self, name: str) -> Callable[[Change], None]:
        metrics = self.outlets.metrics

        def report(change: Change) -> None:
            self.outlets.tell(f"{change.sentence} ({change.seconds * 1000:.0f} ms)")
            metrics.add("cloison_enforcement_changes_total", name)
            metrics.observe("cloison_enforcement_change_seconds", change.seconds, name)
            if change.gap:
                metrics.add("cloison_enforcement_gaps_total", name)
                metrics.add("cloison_enforcement_gap_seconds_total", name, amount=change.gap)

        return report

    def prove(self, project: WatchedProject) -> int:
        """Prove a project; return the exit code of the verdict, or of the error that prevented it."""
        project.schedule.begun()
        began = time.monotonic()
        proof, code = None, UNPROVEN
        try:
            proof = self._proof(project)
        except CloisonError as error:
            code = error.exit_code
            self._not_proven(project, str(error))
        except Exception as error:  # noqa: BLE001  # that of one project must not end the others
            self._not_proven(project, unexpected(error))
        if proof:
            self._proven(project, proof)
            code = self.outlets.exit_code(proof)
        now = time.monotonic()
        self.outlets.metrics.observe("cloison_proof_duration_seconds", now - began, project.name)
        chance = random.random()  # noqa: S311  # jitter, not a secret
        project.schedule.ended(now, now - began, chance, is_proven=proof is not None)
        return code

    def _proof(self, project: WatchedProject) -> Proof:

        settings = self.settings
        if project.is_unenforced:
            self._enforce(project)
            project.is_unenforced = False
        if project.keeper:
            project.keeper.check()
            found = compose_project.project(resolved(project.selection, settings.policy_source))
            project.keeper.replace_policy(found, enforcement.required_policy(found))
        return prove(Request(project.selection, settings.timeout, settings.deadline, settings.policy_source))

    def _not_proven(self, project: WatchedProject, problem: str) -> None:
        self.outlets.metrics.add("cloison_errors_total", "proof")
        self.outlets.metrics.add("cloison_proofs_total", project.name, "error")
        if problem != project.problem:  # an engine that is away for a night is one line
            self.outlets.tell(f"{project.name}: not proven: {problem}")
        project.problem = problem
        if message := not_judged(project, problem, _moment()):
            self.outlets.notify(message)

    def _proven(self, project: WatchedProject, proof: Proof) -> None:

        project.problem = ""
        self.outlets.tell(verdict_line.verdict_line(proof, strict=self.settings.strict))
        self.outlets.metrics.proven(project.name, proof.verdict.word, count_connections(proof), time.time())
        self.outlets.metrics.set("cloison_project_policy", proof.policy is not None, project.name)
        if project.proof is not None:
            self._tell_difference(project.name, project.proof, proof)
        project.proof = proof
        self.outlets.deliver(proof)
        if message := judged(project, proof, digest(proof), _moment()):
            self.outlets.notify(message)

    def _tell_difference(self, name: str, before: Proof, proof: Proof) -> None:

        try:
            lines = list(diff_lines.lines(compare(before, proof, strict=self.settings.strict)))
        except UsageError as error:
            return self.outlets.tell(str(error))
        self.outlets.metrics.add("cloison_judgement_changes_total", name, amount=bool(lines))
        for line in lines[:MOST_LINES]:
            self.outlets.tell(f"  {line.title}: {line.sentence}")
        if len(lines) > MOST_LINES:
            self.outlets.tell(f"  … and {len(lines) - MOST_LINES} more changes")
        return None


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
