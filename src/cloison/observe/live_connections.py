"""Reads the connections of a running project, once or for a while: nothing is sent, and nothing is installed.

Input: an engine and a project. Output: `LiveConnections`: the facts with listeners, and the connections by namespace.
Rule: every namespace has its own tables. The host's connection tracking table has what crosses it, with both sides of a
translation; the tables of a container's namespace have what stays inside a network.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from cloison.compose.project import Project
from cloison.engine import Engine
from cloison.linux import connections as linux_connections
from cloison.linux import conntrack, fd_limit, interfaces, listening_sockets, netns
from cloison.linux.connections import Connection
from cloison.model.facts import Container, Facts, Listener
from cloison.model.flow import HOST, Protocol
from cloison.observe.external_host import is_external_address

SAMPLE_INTERVAL: Final = 0.5
"""Seconds between two samples while connections are learned."""


@dataclass(slots=True)
class LiveConnections:
    """What a running project shows. `host_owners` names the container of a port of the host's namespace."""

    facts: Facts
    host_owners: Mapping[tuple[Protocol, int], str] = field(default_factory=dict)
    connections: set[Connection] = field(default_factory=set)
    bytes: dict[Connection, int] = field(default_factory=dict)
    """The bytes of connections in both directions, as far as the kernel counts them (nf_conntrack_acct)."""
    failures: list[str] = field(default_factory=list)
    seconds: float = 0
    """How long was watched, 0 for one sample."""
    has_events: bool = False
    """Whether the kernel reported connections that began and ended between two samples."""


@dataclass(frozen=True, slots=True)
class Watch:
    """For how long connections are watched, in seconds, and how often they are sampled meanwhile."""

    seconds: float
    interval: float = SAMPLE_INTERVAL
    is_over: Callable[[], bool] = lambda: False
    """Whether to end early, asked after each sample."""


def live_connections(
    engine: Engine, project: Project, watch: Watch | None = None, progress: Callable[[str], None] = lambda _: None
) -> LiveConnections:
    """Return the connections of a running project: those of now, or of some time, or of less after SIGINT.

    Raises NotProven if the engine does not answer.
    """
    facts = engine.facts(project.name, frozenset(network.name for network in project.networks.values()))
    fd_limit.raise_limit(2 * (1 + len(facts.containers)))
    found = LiveConnections(facts)
    with _namespaces(found) as namespaces:
        listening = {name: _listening(descriptor) for name, descriptor in namespaces.items()}
        _add_facts(found, namespaces, listening)
        ports = {name: {(item.protocol, item.port) for item in held} for name, held in listening.items()}
        _sample(found, namespaces, ports)
        if watch:
            _learn(found, namespaces, ports, watch, progress)
    found.connections = {item for item in found.connections if not _is_probe(item)}
    return found


def _is_probe(item: Connection) -> bool:
    """Whether one end is the external host of a proof, whose entries outlive it."""
    return is_external_address(item.source) or is_external_address(item.target)


@contextmanager
def _namespaces(found: LiveConnections) -> Iterator[dict[str, int]]:
    """Yield the open namespaces by the name of one container of each; the host's has an empty name."""
    with ExitStack() as stack:
        host = netns.of_this_thread()
        stack.callback(os.close, host)
        opened = {"": host}
        for container in sorted(found.facts.containers, key=lambda c: (not c.attachments, c.name)):
            if container.pid:
                try:
                    descriptor = netns.of_container(container.pid, container.identity)
                except OSError as error:
                    found.failures.append(f"{container.name} could not be entered: {error.strerror}")
                    continue
                stack.callback(os.close, descriptor)
                if netns.identity(descriptor) not in {netns.identity(known) for known in opened.values()}:
                    opened[container.name] = descriptor
        yield opened


def _listening(descriptor: int) -> list[listening_sockets.ListeningSocket]:
    with netns.inside(descriptor):
        return list(listening_sockets.sockets())


def _add_facts(
    found: LiveConnections,
    namespaces: Mapping[str, int],
    listening: Mapping[str, list[listening_sockets.ListeningSocket]],
) -> None:
    """Add the addresses of the host, the listeners, and the containers that listen on ports of the host."""
    held = interfaces.of(namespaces[""]).values()
    in_host_network = [c for c in found.facts.containers if c.network_mode == HOST and c.pid]
    owners = {inode: c.name for c in in_host_network for inode in listening_sockets.inodes_of_container(c.identity)}
    found.host_owners = {(s.protocol, s.port): owners[s.inode] for s in listening[""] if s.inode in owners}
    found.facts = replace(
        found.facts,
        host_addresses=tuple(sorted({address for interface in held for address in interface.addresses})),
        listeners=frozenset(
            Listener(name or owners.get(item.inode, ""), *item[:3])
            for name, items in listening.items()
            for item in items
        ),
    )


def _sample(
    found: LiveConnections, namespaces: Mapping[str, int], ports: Mapping[str, set[tuple[Protocol, int]]]
) -> None:
    """Add the connections that stand now."""
    for name, descriptor in namespaces.items():
        with netns.inside(descriptor):
            found.connections |= linux_connections.connections(ports[name])
            tracked = conntrack.tracked()
            found.connections |= tracked.keys()
            for item, size in tracked.items():
                if size is not None:
                    found.bytes[item] = max(size, found.bytes.get(item, 0))


def _learn(
    found: LiveConnections,
    namespaces: Mapping[str, int],
    ports: Mapping[str, set[tuple[Protocol, int]]],
    watch: Watch,
    progress: Callable[[str], None],
) -> None:
    """Add the connections of some seconds; SIGINT ends them early."""
    began = time.monotonic()
    with ExitStack() as stack:
        events = [sock for sock in _event_sockets(stack, namespaces) if sock]
        found.has_events = len(events) == len(namespaces)
        try:
            while (left := began + watch.seconds - time.monotonic()) > 0 and not watch.is_over():
                number = len(found.connections)
                progress(f"learning for {left:.0f} s more, {number} connections so far; Ctrl-C ends it")
                for sock in select.select(events, [], [], min(left, watch.interval))[0]:
                    found.connections |= conntrack.received(sock)
                _sample(found, namespaces, ports)
        except KeyboardInterrupt:
            progress("learning ended early")
    found.seconds = time.monotonic() - began


def _event_sockets(stack: ExitStack, namespaces: Mapping[str, int]) -> Iterator[socket.socket | None]:
    for descriptor in namespaces.values():
        with netns.inside(descriptor):
            sock = conntrack.event_socket()
        if sock:
            stack.callback(sock.close)
        yield sock


def running(project: Project, facts: Facts) -> list[Container]:
    """Return the running containers of a project."""
    return [c for c in facts.containers if c.project == project.name and c.pid]
