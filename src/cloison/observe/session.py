"""Takes up the posts of a proof: in every container near the project, on the host, and outside.

Rule: one post a namespace, however many containers share it. Who listens is read from the kernel's
tables, and a TCP listener counts only if it answers from inside its own namespace.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

from cloison.compose.project import Project
from cloison.engine import Engine
from cloison.linux import fd_limit, listening_sockets, netns
from cloison.model.facts import HOST, OUTSIDE, Container, Listener, Protocol
from cloison.model.outcome import Outcome
from cloison.observe import dnat_rules, external_host, host_addresses, unmanaged_addresses
from cloison.observe.external_host import Outside
from cloison.observe.observer import Key, View
from cloison.probe import socket_registry
from cloison.probe.probe import Shot
from cloison.probe.prober import Prober
from cloison.probe.sockets import Post
from cloison.verdict.flow_enumeration import LOOPBACK, Ports, place

SETTLING: Final = 4
"""Seconds to wait at most until fresh IPv6 addresses may be used; the kernel takes two by itself."""
DAEMON: Final = "dockerd"
PROXIES: Final = ("docker-proxy", "conmon")
"""The programs that listen on the host for a published port: Docker's, and Podman's, which keeps the port free."""
PAUSE: Final = 0.05
AT_ONCE: Final = 0.2
"""Seconds to wait for an answer that comes from the prober's own namespace."""


@contextmanager
def looking(
    engine: Engine, project: Project, stand_ins: Mapping[str, Ports] | None = None, away: Outside | None = None
) -> Iterator[View]:
    """Have a post in the namespace of every container near the project, on the host and outside.

    With `stand_ins`, the prober listens on these ports itself, in the namespace of the service that owns it.
    The outside machine is `away`, or one that is joined for this.
    Raises NotProven when the engine does not answer, no outside machine can be joined, or this process may not
    open enough files.
    """
    facts = engine.facts(project.name, frozenset(network.name for network in project.networks.values()))
    fd_limit.allow(2 + sum(bool(container.pid) for container in facts.containers))
    with ExitStack() as stack:
        away = away or stack.enter_context(external_host.joined())
        prober = stack.enter_context(Prober())
        home = netns.of_this_thread()
        stack.callback(os.close, home)
        posts = {(HOST, ""): prober.post(HOST, home), (OUTSIDE, ""): prober.post(OUTSIDE, away.descriptor)}
        view = View(engine, project, prober, facts, away.nobodies, posts, stand_ins=stand_ins or {})
        for container in facts.containers:
            if container.pid:
                _visit(stack, view, container)
        prober.guard()
        view.facts = host_addresses.with_addresses(facts, *away.host_addresses)
        view.facts = replace(view.facts, outside_addresses=away.addresses, outside_gateways=away.host_addresses)
        _settle(view)
        view.facts = replace(view.facts, untold=unmanaged_addresses.untold(view.facts, view.posts))
        containers, view.unasked = dnat_rules.led(view.facts, view.posts)
        view.facts = replace(view.facts, containers=containers)
        view.members = {container.name: container for container in view.facts.containers}
        found, view.proxies = _listeners(view)
        view.facts = replace(view.facts, listeners=_proven(view, found))
        yield view


def _visit(stack: ExitStack, view: View, container: Container) -> None:
    """Take up a post in a container's namespace, if none stands there yet."""
    try:
        descriptor = netns.of_container(container.pid, container.identity)
        stack.callback(os.close, descriptor)
        known = {netns.identity(post.descriptor): post for post in view.posts.values()}
        post = known.get(netns.identity(descriptor)) or view.prober.post(
            container.name, descriptor, _stand_ins(view, container)
        )
    except OSError as error:
        view.failures[container.name] = f"the namespace of {container.name} could not be entered: {error.strerror}"
    else:
        view.posts["", container.name] = post


def _stand_ins(view: View, container: Container) -> Ports:
    name = place(view.project, container)
    ports = view.stand_ins.get(view.project.owner(name), ()) if name in view.project.services else ()
    return [(protocol, port) for protocol, port in ports if protocol is not Protocol.SCTP]


def _settle(view: View) -> None:
    """Wait until the kernels use their IPv6 addresses: before that, an address answers nobody and looks isolated."""
    deadline = view.prober.clock() + SETTLING
    while (waiting := _tentative(view)) and view.prober.clock() < deadline:
        time.sleep(PAUSE)
    view.unsettled = dict.fromkeys(waiting, "the kernel does not use this IPv6 address: it may be somebody else's, too")


def _tentative(view: View) -> set[str]:
    found: set[str] = set()
    for post in view.prober.posts:
        with netns.inside(post.descriptor):
            found |= netns.tentative()
    concerned = {address for c in view.facts.containers for seat in c.attachments for address in seat.addresses}
    return found & (concerned | {address for _, address in view.facts.host_seats})


def _listeners(view: View) -> tuple[list[Listener], frozenset[Listener]]:
    """Read the listening sockets of the host and of every container that has a home of its own, from the kernel.

    What listens in the host's namespace belongs to the container whose process holds the socket, or to the host.
    The engine's proxies come second: each stands for a published port of some container. Without them Engine 28 itself
    holds a socket on such a port, to which nothing is led (measured); it is nobody's.
    """
    heard = _heard(view)
    # Who holds them is asked afterwards: what came meanwhile is not in the table, and what is has its process.
    at_home = [c for c in view.facts.containers if c.network_mode == HOST and ("", c.name) in view.posts]
    owners = {inode: c.name for c in at_home for inode in listening_sockets.inodes(c.identity)}
    proxies = {inode for name in PROXIES for inode in listening_sockets.inodes_of_program(name)}
    daemons = listening_sockets.inodes_of_program(DAEMON)
    doors = {(door.protocol, door.host_port) for c in view.facts.containers for door in c.publications}
    found: list[Listener] = []
    stand: list[Listener] = []
    for socket in heard.pop((HOST, "")):
        if socket.inode in daemons and (socket.protocol, socket.port) in doors:
            continue
        item = Listener(owners.get(socket.inode, ""), socket.protocol, socket.address, socket.port)
        (stand if socket.inode in proxies else found).append(item)
    for (_, container), sockets in heard.items():
        found += [Listener(container, *socket[:3]) for socket in sockets]
    return found, frozenset(stand)


def _heard(view: View) -> dict[Key, list[listening_sockets.Socket]]:
    """Return who listens on the host and in every container that has a home of its own, without any prober."""
    homes = [("", c.name) for c in view.facts.containers if c.attachments and ("", c.name) in view.posts]
    provers = socket_registry.announced()  # some may end before they are asked about again
    heard = {key: _sockets(view.posts[key]) for key in [(HOST, ""), *homes]}
    provers |= socket_registry.announced()
    return {key: [socket for socket in found if socket.inode not in provers] for key, found in heard.items()}


def _sockets(post: Post) -> list[listening_sockets.Socket]:
    with netns.inside(post.descriptor):
        return list(listening_sockets.sockets())


def _proven(view: View, found: list[Listener]) -> frozenset[Listener]:
    """Keep the TCP listeners that accept, from their own namespace, at an address of their own, and the UDP ones.

    A socket that listens on `::` alone refuses IPv4, and the table does not tell the two apart.
    """
    shots: dict[Listener, Shot] = {}
    kept = set()
    for item in found:
        address = next((a for a in _addresses(view, item) if item.listens_on(a)), "")
        if not address or item.address.startswith(LOOPBACK):
            continue
        if item.protocol is Protocol.TCP:
            post = view.posts["", item.container] if item.container else view.posts[HOST, ""]
            shots[item] = Shot(post, address, item.port, post)
        else:
            kept.add(item)
    view.prober.fire(list(shots.values()), AT_ONCE)
    return frozenset(kept | {item for item, shot in shots.items() if shot.came_back is not Outcome.REFUSED})


def _addresses(view: View, item: Listener) -> list[str]:
    """Return the addresses at which a listener may be asked."""
    own = view.addresses(item.container) if item.container else []
    return own or [address for address in view.facts.host_addresses if not address.startswith(LOOPBACK)]
