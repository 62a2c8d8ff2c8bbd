"""Looks for what somebody could do who took over a container of the project, or comes near its engine.

Rule: what it finds is shown and judged by nobody; nothing in a container is run or changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloison.audit import container_inspect, forwarding_check, host_inspect
from cloison.findings import container_risks, engine_cves
from cloison.findings.container_privileges import hops
from cloison.findings.container_risks import Finding
from cloison.model.facts import Facts


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
    machine = host_inspect.machine(beside.engine_socket)
    on_engine = engine_cves.findings(engine_cves.Situation(beside.facts, machine, beside.project))
    return [*([] if beside.idle else _in_containers(beside)), *on_engine]


def _in_containers(beside: Beside) -> list[Finding]:
    running = [c for c in beside.facts.containers if c.pid and c.project == beside.project]
    powers = container_inspect.read(running, [beside.engine_socket])
    ways = hops(beside.facts, container_risks.routers(powers))
    return container_risks.findings(powers, forwarding_check.tried(ways, beside.facts.containers, beside.patience))
