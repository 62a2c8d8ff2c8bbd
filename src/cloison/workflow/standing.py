"""Says which connections of the project's services stand when a proof begins, and when they were used before.

Input: a probe session, and the record of used connections. Output: parts of the proof document.
Rule: only the tables of sockets are read: a probe has no socket, and connection tracking would have those of an earlier
proof.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.draft.seen_needs import counted_connections
from cloison.errors import CloisonError
from cloison.linux import connections as linux_connections
from cloison.linux import netns
from cloison.linux.connections import Connection
from cloison.model.flow import HOST, OUTSIDE, Protocol
from cloison.observe.observer import ProbeSession
from cloison.proof.schema import LearnedPart, UsePart
from cloison.workflow import usage_store


def in_use(session: ProbeSession) -> tuple[UsePart, ...]:
    """Return the connections of the project's services that stand now, sorted."""
    facts = session.facts
    in_host_network = {c.name for c in facts.containers if c.network_mode == HOST}
    owners = {
        (item.protocol, item.port): item.container for item in facts.listeners if item.container in in_host_network
    }
    found: set[Connection] = set()
    for (place, name), sockets in session.probe_sockets.items():
        if place != OUTSIDE and name not in in_host_network:
            listening = {
                (item.protocol, item.port)
                for item in facts.listeners
                if item.container == name or (place == HOST and item.container in in_host_network)
            }
            with netns.inside(sockets.descriptor):
                found |= linux_connections.connections(listening)
    counted = counted_connections(session.project, facts, found, owners)
    return tuple(
        UsePart(source, target, "udp" if protocol is Protocol.UDP else "tcp", port, number)
        for (source, target, protocol, port), number in sorted(counted.items())
    )


def learned(project: Project, rules: Policy | None) -> LearnedPart | None:
    """Return when the lines of a policy were used last; None without a record, or with one that cannot be read."""
    with suppress(CloisonError):
        usage = usage_store.read(project.name)
        if rules and usage.periods:
            from cloison.usage.line_use import line_uses  # slow, and few need it

            found = line_uses(project, rules, usage, 1)
            return LearnedPart(
                _time(usage.since),
                usage.watched(),
                {one.line.name: _time(one.last) for one in found if one.last},
            )
    return None


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
