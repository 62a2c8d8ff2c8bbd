"""Reads which container is behind which port of the project's bridges, for enforcement.

Input: the facts of an engine and a project. Output: an `enforce.layout.Layout`.
Rule: a port counts when the container's interface and the port name each other as the two ends of a veth pair, and the
interface has the addresses that the engine gives it. What cannot be read is in `uncovered`, and stays closed.
Source: IFLA_LINK and IFLA_MASTER, see `linux.interfaces`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from cloison.compose.project import Project
from cloison.enforce.layout import Bridge, BridgePort, Layout
from cloison.linux import announcement, interfaces, netns
from cloison.linux.interfaces import VETH, Interface
from cloison.model.facts import Container, Facts, NetworkFacts
from cloison.model.flow import HOST
from cloison.verdict.flow_enumeration import place

BRIDGE: Final = "bridge"


def layout(facts: Facts, project: Project) -> Layout:
    """Return the bridges and ports of a project on this machine."""
    host = {link.index: link for link in interfaces.of_this_namespace()}
    indexes = {link.name: link.index for link in host.values()}
    uncovered: list[tuple[str, str]] = []
    bridges: dict[int, NetworkFacts] = {}
    for network in _networks(facts, project):
        index = indexes.get(network.link, 0) if network.driver == BRIDGE else 0
        if index:
            bridges[index] = network
        else:
            uncovered.append(
                (f"network {network.name}", f"no bridge of this host carries it (driver {network.driver})")
            )
    ports: list[BridgePort] = []
    for container in facts.containers:
        if container.pid and container.attachments:
            found, why = _ports(container, bridges, host, _places(container, facts, project))
            ports += found
            uncovered += [(f"container {container.name}", why)] if why else []
    return Layout(
        project.name,
        tuple(
            sorted(
                Bridge(network.link, network.name, network.subnets, host[index].addresses, _mac_address(host[index]))
                for index, network in bridges.items()
            )
        ),
        tuple(sorted(ports)),
        frozenset(name for name, service in project.services.items() if service.network_mode == HOST),
        tuple(uncovered),
    )


def _networks(facts: Facts, project: Project) -> Iterator[NetworkFacts]:
    """Yield the networks that the project has, by its file or by its containers."""
    used = {a.network for c in facts.containers if c.project == project.name and c.pid for a in c.attachments}
    for network in facts.networks:
        if network.name in used or project.network_named(network.name):
            yield network


def _places(container: Container, facts: Facts, project: Project) -> tuple[str, ...]:
    """Return the places of all containers in the network namespace of a container."""
    namespaces = facts.network_namespaces
    same = [c for c in facts.containers if namespaces[c.name] == namespaces[container.name]]
    return tuple(sorted({place(project, c) for c in same}))


def _ports(
    container: Container, bridges: Mapping[int, NetworkFacts], host: Mapping[int, Interface], places: tuple[str, ...]
) -> tuple[list[BridgePort], str]:
    """Return the ports of a container on the bridges, and why one is missing, empty if none is."""
    try:
        with _namespace(container) as descriptor:
            inside = interfaces.of(descriptor)
    except OSError as error:
        return [], f"its network namespace could not be opened: {error.strerror or error}"
    wanted = {a.network: a.addresses for a in container.attachments}
    found = []
    for link in inside.values():
        port = host.get(link.link) if link.kind == VETH else None
        network = bridges.get(port.bridge) if port and port.kind == VETH and port.link == link.index else None
        if port and network and network.name in wanted:
            addresses = tuple(address for address in wanted.pop(network.name) if address in link.addresses)
            found.append(BridgePort(network.link, port.name, _mac_address(link), addresses, places, container.name))
    carried = {network.name for network in bridges.values()}
    missing = sorted(wanted.keys() & carried)
    return found, f"its port on {', '.join(missing)} was not found" if missing else ""


def send_announcements(facts: Facts, ports: Iterable[BridgePort]) -> None:
    """Let the neighbours of ports that were closed so far know them; a container that is gone has none."""
    by_container: dict[str, list[BridgePort]] = {}
    for port in ports:
        by_container.setdefault(port.container, []).append(port)
    for container in facts.containers:
        found = by_container.get(container.name, [])
        with suppress(OSError):
            _send_announcements(container, {port.mac_address: port.addresses for port in found})


def _send_announcements(container: Container, addresses: Mapping[str, tuple[str, ...]]) -> None:
    if not addresses:
        return
    with _namespace(container) as descriptor, netns.inside(descriptor):
        for link in interfaces.of_this_namespace():
            announcement.send_announcements(link, addresses.get(_mac_address(link), ()))


@contextmanager
def _namespace(container: Container) -> Iterator[int]:
    descriptor = netns.of_container(container.pid, container.identity)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mac_address(link: Interface) -> str:
    return ":".join(f"{byte:02x}" for byte in link.mac_address)
