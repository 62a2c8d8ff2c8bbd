"""The facts that an engine would give of a project, drawn from the file alone.

Rule: what only an engine, an image or a process knows is not made up. A network that the file merely
borrows has no driver here, so the prediction over it is unknown, unless its owner says what it is;
a port that nobody declares has no listener.

Addresses are from the ranges that no machine of the internet holds (RFC 5737, RFC 2544, RFC 3849), and never
one that the file itself binds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import islice
from typing import Final

from cloison.compose.project import Port, Project, Service
from cloison.errors import FileError
from cloison.model.facts import (
    DEFAULT_ENGINE_VERSION,
    Attachment,
    Container,
    EngineFacts,
    Facts,
    Listener,
    NetworkFacts,
    PublishedPort,
)
from cloison.model.flow import EVERY_ADDRESS, OUTSIDE, WILDCARD, EndpointKind, Flow, ip_version
from cloison.model.outcome import Reach
from cloison.predict.context import Prediction
from cloison.predict.docker_ipv4 import ACCEPT, DIRECT_ROUTING_CLOSED, DROP
from cloison.predict.docker_ipv6 import IPV6_RULES_SINCE
from cloison.predict.predictor import DEFAULT_ENGINE
from cloison.verdict.flow_enumeration import Ports, declared_ports

POOL: Final = IPv4Network("198.18.0.0/15")
POOL_V6: Final = IPv6Network("2001:db8:f000::/36")
OUTSIDE_GATEWAYS: Final = ("198.51.100.1", "2001:db8:c105::1")
OUTSIDE_ADDRESSES: Final = ("198.51.100.2", "2001:db8:c105::2")
"""The host and the outside on the segment that they share."""
HOST_ADDRESSES: Final = ("127.0.0.1", "192.0.2.1", "::1", "2001:db8:c0::1")
"""The host's addresses that belong to no bridge: its own, and those of a network card."""
REPLICA_CAP: Final = 4
"""So many replicas of a service are drawn: on paper one is like the other."""
SYNTHETIC_PID: Final = 1
"""The process of a drawn container; it has to be one that runs."""
BRIDGE: Final = "bridge"
UNKNOWN_DRIVER: Final = ""
"""The driver of a network of which the file does not tell what it is."""
ISOLATED: Final = {version: (f"com.docker.network.bridge.gateway_mode_ipv{version}", "isolated") for version in (4, 6)}
BINDING: Final = "com.docker.network.bridge.host_binding_ipv4"
ISOLATED_BRIDGE_SINCE: Final = (28, 0)
"""From here on a bridge can be without the host, by each version of IP: https://github.com/moby/moby/pull/49262"""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the file does not tell and a plan needs. `external` is what borrowed networks are: bridge or internal."""

    engine: str = DEFAULT_ENGINE_VERSION
    external: str = ""


def with_capped_replicas(project: Project) -> Project:
    """Return the project with at most `MOST` replicas of every service."""
    services = {
        name: replace(body, replicas=min(body.replicas, REPLICA_CAP)) for name, body in project.services.items()
    }
    return replace(project, services=services)


def synthetic_facts(project: Project, assumed: Assumptions, host_ports: Ports = ()) -> Facts:
    """Return the facts of an engine on which the project runs as its file says.

    The host's ports (`of_host`) are not in the file; whoever names one is believed that somebody listens there.
    Raises FileError when the file has more networks than there are addresses to draw them with.
    """
    engine = EngineFacts(DEFAULT_ENGINE, assumed.engine, DROP, ACCEPT)
    engine = replace(engine, filters_ipv6=engine.release >= IPV6_RULES_SINCE)
    bound_addresses = sorted(
        {address for service in project.services.values() for address in _bound_addresses(service)}
    )
    names = sorted({*(n.name for n in project.networks.values()), *_service_networks(project)})
    subnets = _subnets(names, project, bound_addresses)
    containers = tuple(sorted(_containers(project, subnets)))
    networks = tuple(_network(project, name, subnet, assumed) for name, subnet in subnets.items())
    gateways = (str(subnet[1]) for n in networks for subnet in subnets[n.name] if _has_gateway(n, engine, subnet))
    return Facts(
        engine,
        tuple(replace(c, published_ports=_published_ports(project, networks, c.service)) for c in containers),
        networks,
        host_addresses=tuple(dict.fromkeys((*HOST_ADDRESSES, *OUTSIDE_GATEWAYS, *bound_addresses, *gateways))),
        outside_addresses=OUTSIDE_ADDRESSES,
        outside_gateways=OUTSIDE_GATEWAYS,
        listeners=frozenset((*_listeners(project, containers), *_host_listeners(host_ports))),
    )


def _service_networks(project: Project) -> Iterator[str]:
    return (name for service in project.services.values() for name in service.networks)


def _bound_addresses(service: Service) -> Iterator[str]:
    """Yield the host's addresses to which the file binds a port."""
    for port in service.ports:
        if port.host_address not in EVERY_ADDRESS:
            yield port.host_address


Subnets = tuple[IPv4Network | IPv6Network, ...]
"""One of each version of IP that a network speaks, IPv4 first."""


def _subnets(names: list[str], project: Project, bound_addresses: list[str]) -> dict[str, Subnets]:
    """Return subnets that hold a gateway and every container of the project, and no address that the file binds."""
    hosts = sum(service.replicas for service in project.services.values()) + 3
    pool = POOL.subnets(new_prefix=min(24, 32 - hosts.bit_length()))
    free = (subnet for subnet in pool if not any(ip_address(address) in subnet for address in bound_addresses))
    found = list(islice(free, len(names)))
    if len(found) < len(names):
        raise FileError(f"networks: {len(names)} of them, with {hosts} addresses each, are more than can be drawn")
    pool_v6 = (
        subnet for subnet in POOL_V6.subnets(new_prefix=64) if not any(ip_address(a) in subnet for a in bound_addresses)
    )
    return {
        name: (subnet, next(pool_v6))
        if (synthetic_facts := project.network_named(name)) and synthetic_facts.ipv6
        else (subnet,)
        for name, subnet in zip(names, found, strict=True)
    }


def _network(project: Project, name: str, subnets: Subnets, assumed: Assumptions) -> NetworkFacts:
    key = project.network_named(name)
    held = tuple(map(str, subnets))
    if key is None:  # the engine's own
        return NetworkFacts(name, subnets=held)
    if key.external:
        driver = BRIDGE if assumed.external else UNKNOWN_DRIVER
        return NetworkFacts(name, driver, internal=assumed.external == "internal", subnets=held)
    return NetworkFacts(name, key.driver, key.internal, held, tuple(sorted(key.options.items())))


def _has_gateway(network: NetworkFacts, engine: EngineFacts, subnet: IPv4Network | IPv6Network) -> bool:
    """Whether the host has an address on a network; of one that is not told it is asked, to be unknown."""
    if network.driver not in (BRIDGE, UNKNOWN_DRIVER):
        return False
    isolated = ISOLATED[subnet.version] in network.options
    return not (network.internal and isolated and engine.release >= ISOLATED_BRIDGE_SINCE)


def _containers(project: Project, subnets: Mapping[str, Subnets]) -> Iterator[Container]:
    last = 1  # the gateway's
    for name, service in sorted(project.services.items()):
        for number in range(1, service.replicas + 1):
            last += 1
            yield Container(
                name=container_name(project, name, number),
                identity=f"{name}.{number}",
                project=project.name,
                service=name,
                pid=SYNTHETIC_PID,
                started="",
                network_mode=_mode(service),
                attachments=tuple(
                    sorted(
                        Attachment(attachment, *(str(n[last]) for n in subnets[attachment]))
                        for attachment in service.networks
                    )
                ),
            )


def container_name(project: Project, service: str, number: int) -> str:
    """Return the name that Compose gives a container."""
    return f"{project.name}-{service}-{number}"


def _mode(service: Service) -> str:
    """Return the network mode as the engine tells it: who lives with a service lives with its first container."""
    owner = service.shares_namespace_with
    return f"container:{owner}.1" if owner else service.network_mode


def _published_ports(project: Project, networks: tuple[NetworkFacts, ...], service: str) -> tuple[PublishedPort, ...]:
    body = project.services[service]
    if publishes(body, networks) is Reach.SHUT:
        return ()
    default_addresses = _default_addresses(body, networks)
    return tuple(sorted(binding for port in body.ports for binding in _bindings(port, default_addresses)))


def _default_addresses(service: Service, networks: tuple[NetworkFacts, ...]) -> list[str]:
    """Return where a port without an address is published: a network may say so, the first that leads out."""
    gateway_networks = (n for n in networks if n.name in service.networks and n.driver == BRIDGE and not n.internal)
    options = dict(next((network.options for network in gateway_networks), ()))
    return [options[BINDING]] if BINDING in options else [*WILDCARD.values()]


def _bindings(port: Port, default_addresses: list[str]) -> Iterator[PublishedPort]:
    for address in [port.host_address] if port.host_address else default_addresses:
        yield PublishedPort(address, port.host_port, port.protocol, port.target)


def publishes(service: Service, networks: tuple[NetworkFacts, ...]) -> Reach:
    """Return whether the engine would publish what stands under a service's `ports`.

    It does so through a bridge that is not internal; of a network that is not told, or not a bridge, nobody knows.
    """
    attached_networks = [network for network in networks if network.name in service.networks]
    if any(attachment.driver == BRIDGE and not attachment.internal for attachment in attached_networks):
        return Reach.OPEN
    return Reach.UNKNOWN if any(attachment.driver != BRIDGE for attachment in attached_networks) else Reach.SHUT


def _listeners(project: Project, containers: tuple[Container, ...]) -> Iterator[Listener]:
    """Yield what listens if every port does that the file declares."""
    ports = declared_ports(project, {})
    for container in containers:
        if container.attachments:
            for protocol, port in ports[container.service]:
                for version in {
                    ip_version(address) for attachment in container.attachments for address in attachment.addresses
                }:
                    yield Listener(container.name, protocol, WILDCARD[version], port)


def _host_listeners(ports: Ports) -> Iterator[Listener]:
    return (Listener("", protocol, wildcard, port) for protocol, port in ports for wildcard in WILDCARD.values())


def undetermined(project: Project, facts: Facts, flow: Flow) -> Prediction | None:
    """Return the prediction of a way in that depends on a network of which the file does not tell what it is.

    Such a network may carry a service's published ports, or none of them.
    """
    end = flow.endpoint
    body = project.services.get(end.place)
    if body is None or not body.ports:
        return None
    undetermined_networks = sorted(n.name for n in facts.networks if n.name in body.networks and n.driver != BRIDGE)
    published = end.kind is EndpointKind.PUBLISHED and publishes(body, facts.networks) is Reach.UNKNOWN
    routed = flow.vantage.place == OUTSIDE and facts.engine.release < DIRECT_ROUTING_CLOSED and undetermined_networks
    if not (published or (end.kind is not EndpointKind.PUBLISHED and routed)):
        return None
    labels = ", ".join(known.key if (known := project.network_named(name)) else name for name in undetermined_networks)
    return Prediction(Reach.UNKNOWN, f"where {end.place} is published depends on {labels}, which is not predicted")
