"""Says which connections of the project's services stand when a proof begins, from the kernel's socket tables.

Input: a probe session. Output: parts of the proof document.
Rule: only the tables of sockets are read: a probe has no socket, and connection tracking would have those of an earlier
proof.
"""

from __future__ import annotations

from cloison.draft.seen_needs import counted_connections
from cloison.linux import connections as linux_connections
from cloison.linux import netns
from cloison.linux.connections import Connection
from cloison.model.flow import HOST, OUTSIDE, Protocol
from cloison.observe.observer import ProbeSession
from cloison.proof.schema import UsePart


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
