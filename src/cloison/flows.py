"""Which flows a proof asks about.

Prediction, intention and observation all answer this one list, so that comparing them is a loop.

Rule: an endpoint that should exist and does not still has its flow. A container that lost its seat
on a network has an endpoint without an address there; a service without a running container stands
in the list under its own name. What is not in the list cannot be missed by anyone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from cloison.compose import Project
from cloison.model import (
    ANY_PORT,
    HOST,
    OUTSIDE,
    STRANGER,
    Container,
    Endpoint,
    Facts,
    Flow,
    Kind,
    Listener,
    Protocol,
    Vantage,
)

WILDCARD: Final = "0.0.0.0"  # noqa: S104  # the kernel's word for "every address"
LOOPBACK: Final = "127."
Ports = Collection[tuple[Protocol, int]]


def place(project: Project, container: Container) -> str:
    """Return the service that a container belongs to, or the name under which a stranger is shown."""
    known = container.project == project.name and container.service in project.services
    return container.service if known else STRANGER + container.name


def absent(project: Project, facts: Facts) -> list[str]:
    """Return the services that should run and have no running container, once for each that is missing."""
    running = [c.service for c in facts.containers if c.project == project.name and c.pid and not c.one_off]
    over = finished(project, facts)
    return [
        service.name
        for _, service in sorted(project.services.items())
        if service.name not in over
        for _ in range(service.replicas - running.count(service.name))
    ]


def finished(project: Project, facts: Facts) -> set[str]:
    """Return the services that the file expects to end, and that have: nobody can look from where nobody is."""
    ours = [c for c in facts.containers if c.project == project.name and not c.one_off]
    return {
        name
        for name, service in project.services.items()
        if service.ends and (made := [c for c in ours if c.service == name]) and all(c.has_ended for c in made)
    }


def vantages(project: Project, facts: Facts) -> list[Vantage]:
    """Return where connections start: every running container, every missing one, the host and the outside."""
    seen = [Vantage(place(project, c), c.name) for c in facts.containers if c.pid]
    return sorted({*seen, *_missing(project, facts), Vantage(HOST), Vantage(OUTSIDE)})


def _missing(project: Project, facts: Facts) -> list[Vantage]:
    return [Vantage(name) for name in absent(project, facts)]


def endpoints(project: Project, facts: Facts, named: Mapping[str, Ports]) -> list[Endpoint]:
    """Return where connections end. `named` gives the ports of a service that are asked even if nobody listens."""
    found = {
        *_of_host(facts),
        *(_canary(OUTSIDE, "", "", address) for address in (facts.outside_address,) if address),
    }
    for container in facts.containers:
        owner = place(project, container)
        if container.pid:
            wanted = () if container.one_off else named.get(owner, ())  # `compose run` serves nobody
            found |= {*_seats(project, facts, container, owner, wanted)}
            found |= {*_published(project, facts, container, owner)}
    for vantage in _missing(project, facts):
        found |= {*_lost_seats(project, vantage.place, "", named.get(vantage.place, ()))}
    return sorted(found)


def flows(project: Project, facts: Facts, named: Mapping[str, Ports]) -> list[Flow]:
    """Return every pair that involves the project, in order."""
    ends = endpoints(project, facts, named)
    pairs = (Flow(vantage, end) for vantage in vantages(project, facts) for end in ends)
    return [flow for flow in pairs if _is_asked(project, flow)]


def _is_asked(project: Project, flow: Flow) -> bool:
    """Whether the two ends are two, and one of them is the project's."""
    source, target = flow.vantage, flow.endpoint
    if (source.place, source.container) == (target.place, target.container):
        return False
    if target.kind is Kind.PUBLISHED and source.place != HOST:
        # Everybody may try a published port; a stranger's try says nothing that the outside's does not.
        return not source.place.startswith(STRANGER) and not target.address.startswith(LOOPBACK)
    return not {source.place, target.place}.isdisjoint(project.services)


def _canary(where: str, container: str, network: str, address: str) -> Endpoint:
    return Endpoint(where, container, Kind.CANARY, Protocol.TCP, ANY_PORT, network, address, ANY_PORT)


def _of_host(facts: Facts) -> Iterator[Endpoint]:
    for network in facts.networks:
        for gateway in facts.gateways(network):
            yield _canary(HOST, "", network.name, gateway)


def _seats(project: Project, facts: Facts, container: Container, owner: str, named: Ports) -> Iterator[Endpoint]:
    """Yield what a running container offers on each of its addresses, and what it should and does not."""
    listeners = [
        item for item in facts.listeners if item.container == container.name and not item.address.startswith(LOOPBACK)
    ]
    unheard = {*named} - {(item.protocol, item.port) for item in listeners}
    for seat in container.attachments:
        bare = _canary(owner, container.name, seat.network, seat.address)
        yield bare
        yield from (
            _with_port(bare, Kind.LISTENER, item.protocol, item.port)
            for item in listeners
            if item.address in (WILDCARD, seat.address)
        )
        yield from (_with_port(bare, Kind.DECLARED, *port) for port in unheard)
    held = {seat.network for seat in container.attachments}
    yield from _lost_seats(project, owner, container.name, named, held)


def _lost_seats(
    project: Project,
    owner: str,
    container: str,
    named: Ports,
    held: Collection[str] = (),
) -> Iterator[Endpoint]:
    """Yield endpoints without an address for the networks that the file gives and the engine does not."""
    service = project.services.get(owner)
    for network in service.networks if service else ():
        if network not in held:
            bare = _canary(owner, container, network, "")
            yield bare
            yield from (_with_port(bare, Kind.DECLARED, *port) for port in named)


def _with_port(bare: Endpoint, kind: Kind, protocol: Protocol, port: int) -> Endpoint:
    return replace(bare, kind=kind, protocol=protocol, service_port=port, port=port)


def _published(project: Project, facts: Facts, container: Container, owner: str) -> Iterator[Endpoint]:
    if owner not in project.services:
        return
    for door in container.publications:
        for address in facts.host_addresses:
            if door.binds(address):
                yield Endpoint(
                    owner,
                    container.name,
                    Kind.PUBLISHED,
                    door.protocol,
                    door.container_port,
                    "",
                    address,
                    door.host_port,
                )


def known_ports(project: Project, facts: Facts) -> dict[str, set[tuple[Protocol, int]]]:
    """Return the ports of each running service: listened on, declared in the file, or exposed by its image.

    Who lives in another's namespace adds to the ports of its owner.
    """
    ours = [(name, c) for c in facts.containers if c.pid and (name := place(project, c)) in project.services]
    known: dict[str, set[tuple[Protocol, int]]] = {name: set() for name, _ in ours if project.owner(name) == name}
    for name, container in ours:
        service, ports = project.services[name], known.get(project.owner(name), set())
        ports |= {*service.exposed, *container.exposed}
        ports |= {(port.protocol, port.target) for port in service.ports}
        ports |= {*_listened(facts.listeners, container.name)}
    return known


def declared(project: Project, named: Mapping[str, Ports]) -> dict[str, set[tuple[Protocol, int]]]:
    """Return the ports that the file or the policy (`named`) gives to a namespace, by the service that owns it."""
    given: dict[str, set[tuple[Protocol, int]]] = {}
    for name, service in project.services.items():
        ports = {(port.protocol, port.target) for port in service.ports}
        given.setdefault(project.owner(name), set()).update(ports, service.exposed, named.get(name, ()))
    return given


def _listened(listeners: Collection[Listener], container: str) -> Iterator[tuple[Protocol, int]]:
    return ((item.protocol, item.port) for item in listeners if item.container == container)


def unlooked(project: Project, facts: Facts) -> list[tuple[str, str]]:
    """Return what a proof should look at and does not, and why: with it, nothing is proven."""
    modes = {
        HOST: "it lives in the host's namespace, whose listeners are not told apart yet",
        "container": "it lives in the namespace of a container that the file does not know",
    }
    found = set()
    for container in facts.containers:
        owner = place(project, container)
        if container.pid and owner in project.services:
            drawn = project.services[owner].network_mode.partition(":")[0]
            mode = HOST if HOST in (container.network_mode, drawn) else drawn
            found |= {(f"listeners of {owner}", modes[mode])} if mode in modes else set()
    return sorted(found)


def skipped(project: Project, facts: Facts) -> list[tuple[str, str]]:
    """Return what this proof does not look at, and why, so that nobody takes it for proven."""
    ours = [(name, c) for c in facts.containers if c.pid and (name := place(project, c)) in project.services]
    v6 = {f"{name} at {seat.ipv6}" for name, c in ours for seat in c.attachments if seat.ipv6}
    v6 |= {
        f"{name}:{door.container_port} on [{door.host_address}]:{door.host_port}"
        for name, c in ours
        for door in c.publications
        if ":" in door.host_address
    }
    over = [(f"service {name}", "it ran and has ended") for name in sorted(finished(project, facts))]
    return [*unlooked(project, facts), *over, *((what, "IPv6 is not looked at yet") for what in sorted(v6))]
