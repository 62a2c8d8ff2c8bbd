"""The list of flows of a proof, which prediction, intention and observation all answer.

Input: a `Project`, `Facts`, and the ports that the policy names. Output: sorted vantages, endpoints and flows.
Rule: an endpoint that should exist and does not still has its flows. A container that is detached from a network
has an endpoint without an address there; a service without a running container has a vantage and endpoints
under its own name. So nothing is missing from a proof without a trace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from cloison.compose.project import Project
from cloison.model.facts import Container, Facts, Listener, Origin
from cloison.model.flow import (
    ANY_PORT,
    FOREIGN,
    HOST,
    LINK_LOCAL,
    OUTSIDE,
    Endpoint,
    EndpointKind,
    Flow,
    Protocol,
    Vantage,
)
from cloison.model.text import listed
from cloison_view.verdict import COMPLETED

LOOPBACK: Final = ("127.", "::1")
"""The prefixes of loopback addresses, which no other namespace can reach."""
CANARIES: Final = (Protocol.TCP, Protocol.UDP)
MOST_PORTS: Final = 3
"""The most ports of one service that a reason names."""
NO_SCTP: Final = "SCTP is not probed"
Ports = Collection[tuple[Protocol, int]]


def place(project: Project, container: Container) -> str:
    """Return the service of a container, or `stranger:NAME` for a foreign container."""
    known = container.project == project.name and container.service in project.services
    return container.service if known else FOREIGN + container.name


def absent(project: Project, facts: Facts) -> list[str]:
    """Return the services with missing containers, once for each missing container."""
    running = [c.service for c in facts.containers if c.project == project.name and c.pid and not c.one_off]
    done = completed(project, facts)
    return [
        service.name
        for _, service in sorted(project.services.items())
        if service.name not in done
        for _ in range(service.replicas - running.count(service.name))
    ]


def completed(project: Project, facts: Facts) -> set[str]:
    """Return the services whose completion another service awaits and whose containers all completed."""
    project_containers = [c for c in facts.containers if c.project == project.name and not c.one_off]
    return {
        name
        for name, service in project.services.items()
        if service.completion_awaited
        and (made := [c for c in project_containers if c.service == name])
        and all(c.has_completed for c in made)
    }


def vantages(project: Project, facts: Facts) -> list[Vantage]:
    """Return the sorted vantages: every running container, every missing one, the host and the outside."""
    seen = [Vantage(place(project, c), c.name) for c in facts.containers if c.is_vantage]
    return sorted({*seen, *_missing(project, facts), Vantage(HOST), Vantage(OUTSIDE)})


def _missing(project: Project, facts: Facts) -> list[Vantage]:
    return [Vantage(name) for name in absent(project, facts)]


def endpoints(project: Project, facts: Facts, named: Mapping[str, Ports]) -> list[Endpoint]:
    """Return the sorted endpoints. `named` maps a service to ports that are probed even without a listener."""
    found = {*_host_endpoints(facts)}
    for address in facts.outside_addresses:
        found |= {*_canaries(_canary(OUTSIDE, "", "", address))}
    for container in facts.containers:
        owner = place(project, container)
        if container.is_vantage:
            wanted = (
                () if container.one_off else named.get(owner, ())
            )  # `compose run` containers are no part of the service
            found |= {*_container_endpoints(project, facts, container, owner, wanted)}
            found |= {*_published(project, facts, container, owner)}
    for vantage in _missing(project, facts):
        found |= {*_missing_endpoints(project, vantage.place, "", named.get(vantage.place, ()))}
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Reachability:
    """The networks of every container, the vantages of every unmanaged address, the container of every address.

    `devices` are the names of the members that are devices, `tolerated` those that the policy tolerates.
    """

    networks_by_container: Mapping[str, Collection[str]]
    reachable_from: Mapping[tuple[str, str], Collection[str]]
    address_owners: Mapping[str, str]
    devices: frozenset[str]
    tolerated: frozenset[str]


def flows(
    project: Project, facts: Facts, named: Mapping[str, Ports], tolerated_devices: Collection[str] = ()
) -> list[Flow]:
    """Return every flow that starts or ends at the project, in order of vantage and endpoint.

    `tolerated_devices` are the devices that the policy tolerates: they have no flows.
    """
    ends = endpoints(project, facts, named)
    reachability = _Reachability(
        {c.name: {attachment.network for attachment in c.attachments} for c in facts.containers},
        {(item.container, item.address): item.reachable_from for item in facts.unmanaged_addresses},
        facts.container_addresses,
        frozenset(c.name for c in facts.containers if c.origin is Origin.DEVICE),
        frozenset(tolerated_devices),
    )
    pairs = (Flow(vantage, end) for vantage in vantages(project, facts) for end in ends)
    return [flow for flow in pairs if _is_probed(project, flow, reachability)]


def _is_probed(project: Project, flow: Flow, reachability: _Reachability) -> bool:
    """Whether a flow has two different ends, one of them in the project, and an address valid at its vantage."""
    source, target = flow.vantage, flow.endpoint
    if (source.place, source.container) == (target.place, target.container):
        return False
    if reachability.devices and not reachability.devices.isdisjoint((source.container, target.container)):
        return _is_on_network_of_device(project, flow, reachability)
    reachable_from = reachability.reachable_from.get((target.container, target.address))
    if reachable_from is not None and (source.container or source.place) not in reachable_from:
        return False
    if target.kind is EndpointKind.PUBLISHED:
        return _is_client(source, target, reachability)
    if target.address.startswith(LINK_LOCAL) and target.network not in reachability.networks_by_container.get(
        source.container, ()
    ):
        return False
    return source.place in project.services or target.place in project.services


def _is_client(source: Vantage, target: Endpoint, reachability: _Reachability) -> bool:
    """Whether a vantage probes a published port.

    The container that owns the address is no client of its own port, and a foreign container would show nothing beyond
    the outside's probe.
    """
    if source.container == reachability.address_owners.get(target.address, HOST):
        return False
    return source.place == HOST or not (source.place.startswith(FOREIGN) or target.address.startswith(LOOPBACK))


def _is_on_network_of_device(project: Project, flow: Flow, reachability: _Reachability) -> bool:
    """Whether a flow connects a service and a device that the policy does not tolerate, on a network of both."""
    source, target = flow.vantage, flow.endpoint
    if not reachability.tolerated.isdisjoint((source.container, target.container)):
        return False
    is_of_project = source.place in project.services or target.place in project.services
    return is_of_project and target.network in reachability.networks_by_container.get(source.container, ())


def _host_endpoints(facts: Facts) -> Iterator[Endpoint]:
    """Yield the host's canaries and listeners on each of its addresses."""
    listeners = _reachable_listeners(facts, "")
    for network, address in facts.host_attachments:
        if not address.startswith(LOOPBACK) and address not in facts.outside_gateways:
            template = _canary(HOST, "", network, address)
            yield from _canaries(template)
            yield from _listener_endpoints(template, listeners)


def _reachable_listeners(facts: Facts, container: str) -> list[Listener]:
    found = (item for item in facts.listeners if item.container == container)
    return [item for item in found if not item.address.startswith(LOOPBACK)]


def _listener_endpoints(
    template: Endpoint, listeners: Iterable[Listener], not_listening: Ports = ()
) -> Iterator[Endpoint]:
    """Yield the ports of one address with a listener, and the declared ports without one."""
    for item in listeners:
        if item.listens_on(template.address):
            yield replace(
                template, kind=EndpointKind.LISTENER, protocol=item.protocol, service_port=item.port, port=item.port
            )
    for protocol, port in not_listening:
        yield replace(template, kind=EndpointKind.DECLARED, protocol=protocol, service_port=port, port=port)


def _canary(where: str, container: str, network: str, address: str) -> Endpoint:
    return Endpoint(where, container, EndpointKind.CANARY, Protocol.TCP, ANY_PORT, network, address, ANY_PORT)


def _canaries(template: Endpoint) -> Iterator[Endpoint]:
    return (replace(template, protocol=protocol) for protocol in CANARIES)


def _container_endpoints(
    project: Project, facts: Facts, container: Container, owner: str, named: Ports
) -> Iterator[Endpoint]:
    """Yield the canaries, listeners, declared ports and missing addresses of a running container."""
    listeners = _reachable_listeners(facts, container.name)
    not_listening = {*named} - {(item.protocol, item.port) for item in listeners}
    if container.network_mode == HOST:
        # It uses the host's addresses, and the host's canaries test the path to them.
        for network, address in facts.host_attachments:
            if not address.startswith(LOOPBACK):
                yield from _listener_endpoints(
                    _canary(owner, container.name, network, address), listeners, not_listening
                )
        return
    for attachment in container.attachments:
        # A device has no address, and it is unknown what is behind it.
        for address in ("",) if container.origin is Origin.DEVICE else attachment.addresses:
            template = _canary(owner, container.name, attachment.network, address)
            yield from _canaries(template)
            yield from _listener_endpoints(template, listeners, not_listening)
    for network, address in _unmanaged_addresses(facts, container):
        template = _canary(owner, container.name, network, address)
        yield from _canaries(template)
        yield from _listener_endpoints(template, listeners)
    attached = {attachment.network for attachment in container.attachments}
    yield from _missing_endpoints(project, owner, container.name, named, attached)


def _unmanaged_addresses(facts: Facts, container: Container) -> Iterator[tuple[str, str]]:
    """Yield a container's unmanaged addresses as (network name, address), empty where none of its networks fits."""
    attached = [network for attachment in container.attachments if (network := facts.network(attachment.network))]
    for item in facts.unmanaged_addresses:
        if item.container == container.name and item.address:
            yield next((network.name for network in attached if network.contains(item.address)), ""), item.address


def _missing_endpoints(
    project: Project,
    owner: str,
    container: str,
    named: Ports,
    attached: Collection[str] = (),
) -> Iterator[Endpoint]:
    """Yield endpoints without an address for networks of the file to which the container is not attached."""
    service = project.services.get(owner)
    for network in service.networks if service else ():
        if network not in attached:
            template = _canary(owner, container, network, "")
            yield from _canaries(template)
            yield from _listener_endpoints(template, (), named)


def _published(project: Project, facts: Facts, container: Container, owner: str) -> Iterator[Endpoint]:
    """Yield the published ports of a container of the project, whether the file has its service or not."""
    if container.project != project.name and owner not in project.services:
        return
    for published_port in {*container.published_ports, *container.redirect_candidates}:
        for address in (*facts.host_addresses, *({published_port.host_address} & facts.container_addresses.keys())):
            if published_port.binds(address):
                # A port that a container redirects to itself is one more port at its own address.
                networks = [a.network for a in container.attachments if address in a.addresses]
                yield Endpoint(
                    owner,
                    container.name,
                    EndpointKind.LISTENER if networks else EndpointKind.PUBLISHED,
                    published_port.protocol,
                    published_port.container_port,
                    networks[0] if networks else "",
                    address,
                    published_port.host_port,
                )


def known_ports(project: Project, facts: Facts) -> dict[str, set[tuple[Protocol, int]]]:
    """Return the ports of each running service: listeners, ports in the file, and ports that its image exposes.

    The ports of a service that shares a namespace belong to the namespace's owner.
    """
    project_containers = [
        (name, c) for c in facts.containers if c.pid and (name := place(project, c)) in project.services
    ]
    known: dict[str, set[tuple[Protocol, int]]] = {
        name: set() for name, _ in project_containers if project.owner(name) == name
    }
    for name, container in project_containers:
        service, ports = project.services[name], known.get(project.owner(name), set())
        ports |= {*service.exposed, *container.exposed}
        ports |= {(port.protocol, port.target) for port in service.ports}
        ports |= {*_listening_ports(facts.listeners, container.name)}
    return known


def declared_ports(project: Project, named: Mapping[str, Ports]) -> dict[str, set[tuple[Protocol, int]]]:
    """Return the ports that the file or the policy (`named`) declares, by the service that owns the namespace."""
    given: dict[str, set[tuple[Protocol, int]]] = {}
    for name, service in project.services.items():
        ports = {(port.protocol, port.target) for port in service.ports}
        given.setdefault(project.owner(name), set()).update(ports, service.exposed, named.get(name, ()))
    return given


def _listening_ports(listeners: Collection[Listener], container: str) -> Iterator[tuple[Protocol, int]]:
    return ((item.protocol, item.port) for item in listeners if item.container == container)


def skipped(project: Project, facts: Facts) -> list[tuple[str, str]]:
    """Return what this proof does not probe as (subject, reason) pairs: completed services, and ports of SCTP."""
    done = [(f"service {name}", COMPLETED) for name in sorted(completed(project, facts))]
    return [*done, *((listed(labels, MOST_PORTS), NO_SCTP) for labels in _sctp_ports(project, facts))]


def _sctp_ports(project: Project, facts: Facts) -> Iterator[list[str]]:
    """Yield the labels of each service's ports of SCTP: published or exposed by the file, or exposed by its image."""
    for name, service in sorted(project.services.items()):
        images = (c.exposed for c in facts.containers if c.service == name and c.project == project.name)
        ports = {port for protocol, port in service.exposed if protocol is Protocol.SCTP}
        ports |= {port.target for port in service.ports if port.protocol is Protocol.SCTP}
        ports |= {port for exposed in images for protocol, port in exposed if protocol is Protocol.SCTP}
        if ports:
            yield [f"{name}:{port}/sctp" for port in sorted(ports)]
