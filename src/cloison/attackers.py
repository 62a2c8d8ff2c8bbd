"""Looks for what somebody could do who took over a container of the project, or comes near its engine.

Rule: what it finds is shown and judged by nobody; nothing in a container is run or changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloison import gates, hop, inside, misuse, survey
from cloison.misuse import Finding
from cloison.model import Facts
from cloison.powers import hops


@dataclass(frozen=True, slots=True)
class Beside:
    """Where to look: a project, and the socket of its engine.

    `patience` is how long to wait for a packet, in seconds. Idle containers stand in for others, so
    what they have says nothing.
    """

    project: str
    facts: Facts
    engine_socket: str
    patience: float
    idle: bool


def findings(beside: Beside) -> list[Finding]:
    """Return what could be misused: of the containers, then of the engine, the worst first."""
    machine = survey.machine(beside.engine_socket)
    on_engine = gates.findings(gates.Situation(beside.facts, machine, beside.project))
    return [*([] if beside.idle else _in_containers(beside)), *on_engine]


def _in_containers(beside: Beside) -> list[Finding]:
    running = [c for c in beside.facts.containers if c.pid and c.project == beside.project]
    powers = inside.read(running, [beside.engine_socket])
    ways = hops(beside.facts, misuse.routers(powers))
    return misuse.findings(powers, hop.tried(ways, beside.facts.containers, beside.patience))
