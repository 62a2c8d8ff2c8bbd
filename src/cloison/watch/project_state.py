"""A watched project: where its files are, when it is proven next, and what was known of it last."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from cloison.engine.compose_cli import Selection
from cloison.watch.schedule import Schedule
from cloison_view import project_events
from cloison_view.connections import connections
from cloison_view.project_events import NO_STATE, Kind, Recorded

if TYPE_CHECKING:
    from cloison.proof.schema import Proof
    from cloison.workflow.keep_enforced import Keeper


@dataclass
class WatchedProject:
    """A project and what is known of it; `stack` ends what keeps it enforced."""

    name: str
    selection: Selection
    schedule: Schedule
    keys: frozenset[str] = frozenset()
    """The keys of the events that concern it."""
    proof: Proof | None = None
    problem: str = ""
    """Why it was not proven the last time."""
    is_unenforced: bool = False
    """Whether enforcing it failed, so that it is tried again before the next proof."""
    recorded: Recorded = field(default_factory=lambda: Recorded(NO_STATE))
    keeper: Keeper | None = None
    stack: ExitStack = field(default_factory=ExitStack)


def message(project: WatchedProject, kind: Kind, summary: str, moment: str, more: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a webhook; docs/notifications.md describes its members."""
    return {
        "type": f"project.{kind}",
        "timestamp": moment,
        "data": {
            "project": project.name,
            "title": f"{project.name}: {project_events.TITLES[kind]}",
            "summary": summary,
            "proof": None,
            "url": None,
            **more,
        },
    }


def judged(project: WatchedProject, proof: Proof, digest: str, moment: str) -> dict[str, Any] | None:
    """Record what a proof says, and return the message about it if its judgements changed."""
    problems = project_events.problems(connections(msgspec.to_builtins(proof)))
    decision = project_events.decide(project.recorded, proof.verdict.word, problems, is_overdue=False)
    project.recorded = decision.recorded
    if decision.kind is None:
        return None
    summary = project_events.summary(decision.kind, decision.gained)
    more = {"proof": digest, "verdict": proof.verdict.word, **project_events.details(decision.gained)}
    return message(project, decision.kind, summary, moment, more)


def not_judged(project: WatchedProject, problem: str, moment: str) -> dict[str, Any] | None:
    """Record that a project could not be proven, and return the message about it if that is new."""
    if project.recorded.state in {Kind.UNPROVEN, NO_STATE}:
        return None
    project.recorded = Recorded(Kind.UNPROVEN, project.recorded.problems)
    return message(project, Kind.UNPROVEN, problem, moment, {"verdict": "unproven", **project_events.details(())})
