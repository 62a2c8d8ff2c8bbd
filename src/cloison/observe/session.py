"""Opens the probe session of a proof: probe sockets in the project's containers, on the host, and on the external host.

Input: an engine and a project. Output: a `ProbeSession` with the facts that the engine and the kernel report.
Rule: a namespace has one set of probe sockets, even if several containers share it. Listening sockets are read from
the kernel's tables, and a TCP listener counts only if it answers a probe from its own namespace.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

from cloison.compose.project import Project
from cloison.enforce.layout import table_name
from cloison.engine import Engine
from cloison.engine.select import DAEMONS, PORT_PROXIES, proxied_ports
from cloison.linux import fd_limit, listening_sockets, netns, nftables
from cloison.model.facts import Container, Listener
from cloison.model.flow import HOST, LINK_LOCAL, OUTSIDE, Protocol
from cloison.model.outcome import Outcome
from cloison.observe import (
    egress_networks,
    external_host,
    host_addresses,
    network_members,
    translations,
    unmanaged_addresses,
)
from cloison.observe.external_host import ExternalHost
from cloison.observe.interpret import VantageKey
from cloison.observe.observer import ProbeSession
from cloison.observe.redirects import redirects
from cloison.predict.context import DISABLE_IPV6
from cloison.probe import socket_registry
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober
from cloison.probe.sockets import ProbeSockets
from cloison.verdict.flow_enumeration import LOOPBACK, Ports, place

TENTATIVE_TIMEOUT: Final = 4
"""Seconds to wait at most until fresh IPv6 addresses may be used; the kernel takes two by itself."""
POLL_INTERVAL: Final = 0.05
LOCAL_TIMEOUT: Final = 0.2
"""Seconds to wait for an answer from the namespace that sends the probe."""


@contextmanager
def probe_session(
    engine: Engine, project: Project, stand_ins: Mapping[str, Ports] | None = None, external: ExternalHost | None = None
) -> Iterator[ProbeSession]:
    """Open probe sockets in the namespace of every container near the project, on the host and on the external host.

    With `stand_ins`, the prober itself listens on these ports, in the namespace of the service that owns it.
    The external host is `external`, or a new one for this session.
    Raises NotProven if the engine does not answer, no external host can be made, or this process may not open enough
    files.
    """
    facts = engine.facts(project.name, frozenset(network.name for network in project.networks.values()))
    facts = replace(facts, is_enforced=nftables.has_table(table_name(project.name)))
    fd_limit.raise_limit(2 + sum(bool(container.pid) for container in facts.containers))
    with ExitStack() as stack:
        external = external or stack.enter_context(external_host.external_host())
        prober = stack.enter_context(Prober())
        host_namespace = netns.of_this_thread()
        stack.callback(os.close, host_namespace)
        probe_sockets = {
            (HOST, ""): prober.open_sockets(HOST, host_namespace),
            (OUTSIDE, ""): prober.open_sockets(OUTSIDE, external.descriptor),
        }
        session = ProbeSession(
            engine, project, prober, facts, external.unused_addresses, probe_sockets, stand_ins=stand_ins or {}
        )
        for container in facts.containers:
            if container.pid:
                _open_container_sockets(stack, session, container)
        _open_member_sockets(stack, session)
        prober.guard()
        session.facts = host_addresses.with_host_addresses(session.facts, *external.host_addresses)
        session.facts = replace(
            session.facts, outside_addresses=external.addresses, outside_gateways=external.host_addresses
        )
        _await_addresses(session)
        session.facts = replace(
            session.facts,
            unmanaged_addresses=unmanaged_addresses.find_unmanaged(session.facts, session.probe_sockets),
        )
        session.facts = replace(
            session.facts, egress_networks=egress_networks.read(session.facts, project.name, session.probe_sockets)
        )
        session.containers_by_name = {container.name: container for container in session.facts.containers}
        found, session.proxies = _listeners(session)
        _find_redirects(session, found)
        session.facts = replace(session.facts, listeners=_confirmed(session, found))
        yield session


def _find_redirects(session: ProbeSession, found: list[Listener]) -> None:
    # Of the containers that share a namespace, the one that has its addresses comes first.
    attached = {("", container.name) for container in session.facts.containers if container.attachments}
    ordered = sorted(session.probe_sockets, key=lambda key: key not in {(HOST, ""), *attached})
    by_namespace = translations.read({key: session.probe_sockets[key] for key in ordered})
    candidates = redirects(session.facts, found, by_namespace, proxied_ports())
    session.not_probed = sorted(candidates.not_probed)
    session.notes = sorted(candidates.notes)
    session.notes += translations.packet_programs(by_namespace, session.facts, session.probe_sockets)
    session.facts = replace(session.facts, containers=candidates.containers(session.facts))
    session.containers_by_name = {container.name: container for container in session.facts.containers}


def _open_container_sockets(stack: ExitStack, session: ProbeSession, container: Container) -> None:
    """Open probe sockets in a container's namespace, unless another container of this namespace has them."""
    try:
        descriptor = netns.of_container(container.pid, container.identity)
        stack.callback(os.close, descriptor)
        known = {netns.identity(sockets.descriptor): sockets for sockets in session.probe_sockets.values()}
        sockets = known.get(netns.identity(descriptor)) or session.prober.open_sockets(
            container.name, descriptor, _stand_ins(session, container)
        )
    except OSError as error:
        session.failures[container.name] = f"the namespace of {container.name} could not be entered: {error.strerror}"
    else:
        session.probe_sockets["", container.name] = sockets


def _open_member_sockets(stack: ExitStack, session: ProbeSession) -> None:
    """Add the members of the project's networks that the engine does not know, with probe sockets where possible."""
    found = network_members.find(session.facts, session.project, session.probe_sockets)
    if found.members:  # a container that the engine has just started is on the network, too, and an arrival
        found = found.without(session.engine_containers())
    session.members = found
    session.facts = replace(session.facts, containers=tuple(sorted((*session.facts.containers, *found.members))))
    fd_limit.raise_limit(len(found.namespaces))
    for member in found.members:
        if member.name not in found.namespaces:
            session.failures[member.name] = f"{member.name} is on the network: {member.description}"
            continue
        try:
            descriptor = found.namespaces[member.name].open()
            stack.callback(os.close, descriptor)
            sockets = session.prober.open_sockets(member.name, descriptor)
        except OSError as error:
            session.failures[member.name] = f"the {member.description} could not be entered: {error.strerror or error}"
        else:
            session.probe_sockets["", member.name] = sockets


def _stand_ins(session: ProbeSession, container: Container) -> Ports:
    name = place(session.project, container)
    ports = session.stand_ins.get(session.project.owner(name), ()) if name in session.project.services else ()
    return [(protocol, port) for protocol, port in ports if protocol is not Protocol.SCTP]


def _await_addresses(session: ProbeSession) -> None:
    """Wait until no IPv6 address is tentative: a tentative address answers no packet and would look isolated."""
    deadline = session.prober.clock() + TENTATIVE_TIMEOUT
    while (unusable := _tentative(session)) and session.prober.clock() < deadline:
        time.sleep(POLL_INTERVAL)
    session.unusable_addresses = dict.fromkeys(
        unusable, "the kernel does not use this IPv6 address, because another interface may have it too"
    )


def _tentative(session: ProbeSession) -> set[str]:
    found: set[str] = set()
    # A sysctl of the file gives a container link-local addresses that the engine does not list.
    has_link_local = any(service.sysctls.get(DISABLE_IPV6) == "0" for service in session.project.services.values())
    for sockets in session.prober.probe_sockets:
        with netns.inside(sockets.descriptor):
            found |= netns.tentative()
    relevant = {
        address for c in session.facts.containers for attachment in c.attachments for address in attachment.addresses
    }
    relevant |= {address for _, address in session.facts.host_attachments}
    return {address for address in found if address in relevant or (has_link_local and address.startswith(LINK_LOCAL))}


def _listeners(session: ProbeSession) -> tuple[list[Listener], frozenset[Listener]]:
    """Return the listeners of the host and of every container with its own namespace, and those of docker-proxy.

    A socket in the host's namespace belongs to the container whose process holds it, else to the host. A socket of
    docker-proxy stands for a published port of a container. Without docker-proxy, Engine 28 itself holds a socket on a
    published port, to which no packet is delivered (measured); it is left out.
    """
    found_sockets = _listening_sockets(session)
    # The owners are read after the sockets, so every socket in the table still has or had its process.
    in_host_network = [
        c for c in session.facts.containers if c.network_mode == HOST and ("", c.name) in session.probe_sockets
    ]
    owners = {inode: c.name for c in in_host_network for inode in listening_sockets.inodes_of_container(c.identity)}
    proxies = {inode for name in PORT_PROXIES for inode in listening_sockets.inodes_of_program(name)}
    daemons = {inode for name in DAEMONS for inode in listening_sockets.inodes_of_program(name)}
    published = {
        (publication.protocol, publication.host_port)
        for c in session.facts.containers
        for publication in c.published_ports
    }
    found: list[Listener] = []
    proxy_listeners: list[Listener] = []
    for socket in found_sockets.pop((HOST, "")):
        if socket.inode in daemons and (socket.protocol, socket.port) in published:
            continue
        item = Listener(owners.get(socket.inode, ""), socket.protocol, socket.address, socket.port)
        (proxy_listeners if socket.inode in proxies else found).append(item)
    for (_, container), sockets in found_sockets.items():
        found += [Listener(container, *socket[:3]) for socket in sockets]
    return found, frozenset(proxy_listeners)


def _listening_sockets(session: ProbeSession) -> dict[VantageKey, list[listening_sockets.ListeningSocket]]:
    """Return the listening sockets of the host and of every container with its own namespace, without a prober's."""
    namespace_keys = [
        ("", c.name) for c in session.facts.containers if c.attachments and ("", c.name) in session.probe_sockets
    ]
    prober_inodes = socket_registry.registered_inodes()  # before and after, as other provers start and end
    found_sockets = {key: _sockets(session.probe_sockets[key]) for key in [(HOST, ""), *namespace_keys]}
    prober_inodes |= socket_registry.registered_inodes()
    return {
        key: [socket for socket in found if socket.inode not in prober_inodes] for key, found in found_sockets.items()
    }


def _sockets(sockets: ProbeSockets) -> list[listening_sockets.ListeningSocket]:
    with netns.inside(sockets.descriptor):
        return list(listening_sockets.sockets())


def _confirmed(session: ProbeSession, found: list[Listener]) -> frozenset[Listener]:
    """Return the UDP listeners, and the TCP listeners that do not refuse a probe from their own namespace.

    A socket on `::` with IPV6_V6ONLY refuses IPv4, and the kernel's table does not show this option.
    """
    probes: dict[Listener, Probe] = {}
    confirmed = set()
    for item in found:
        address = next((a for a in _addresses(session, item) if item.listens_on(a)), "")
        if not address or item.address.startswith(LOOPBACK):
            continue
        if item.protocol is Protocol.TCP:
            sockets = session.probe_sockets["", item.container] if item.container else session.probe_sockets[HOST, ""]
            probes[item] = Probe(sockets, address, item.port, sockets)
        else:
            confirmed.add(item)
    session.prober.send(list(probes.values()), LOCAL_TIMEOUT)
    return frozenset(confirmed | {item for item, probe in probes.items() if probe.reply is not Outcome.REFUSED})


def _addresses(session: ProbeSession, item: Listener) -> list[str]:
    """Return the addresses at which a listener can be probed."""
    own = session.addresses(item.container) if item.container else []
    return own or [address for address in session.facts.host_addresses if not address.startswith(LOOPBACK)]
