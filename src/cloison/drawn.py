"""The facts that an engine would give of a project, drawn from the file alone.

Rule: what only an engine, an image or a process knows is not made up. A network that the file merely
borrows has no driver here, so the prediction over it is unknown, unless its owner says what it is;
a port that nobody declares has no listener.

Addresses are from the ranges that no machine of the internet holds (RFC 5737, RFC 2544), and never
one that the file itself binds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from itertools import islice
from typing import Final

from cloison.compose import Port, Project, Service
from cloison.errors import FileError
from cloison.flows import WILDCARD, declared
from cloison.model import (
    EVERY_ADDRESS,
    OLDEST,
    OUTSIDE,
    Attachment,
    Container,
    EngineFacts,
    Facts,
    Flow,
    Kind,
    Listener,
    NetworkFacts,
    Publication,
)
from cloison.outcome import Reach
from cloison.predict import DIRECT_ROUTING_CLOSED, DROP, Prediction

POOL: Final = IPv4Network("198.18.0.0/15")
SEGMENT: Final = ("198.51.100.1", "198.51.100.2")
"""The host and the outside on the segment that they share."""
OWN: Final = ("127.0.0.1", "192.0.2.1")
"""The host's addresses that belong to no bridge: its own, and that of a network card."""
MOST: Final = 4
"""So many replicas of a service are drawn: on paper one is like the other."""
RUNS: Final = 1
"""The process of a drawn container; it has to be one that runs."""
BRIDGE: Final = "bridge"
UNTOLD: Final = ""
"""The driver of a network of which the file does not tell what it is."""
ISOLATED: Final = ("com.docker.network.bridge.gateway_mode_ipv4", "isolated")
BINDING: Final = "com.docker.network.bridge.host_binding_ipv4"
ISOLATION: Final = (28, 0)
"""From here on a bridge can be without the host: https://github.com/moby/moby/pull/49262"""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the file does not tell and a plan needs. `external` is what borrowed networks are: bridge or internal."""

    engine: str = OLDEST
    external: str = ""


def clipped(project: Project) -> Project:
    """Return the project with at most `MOST` replicas of every service."""
    services = {name: replace(body, replicas=min(body.replicas, MOST)) for name, body in project.services.items()}
    return replace(project, services=services)


def drawn(project: Project, assumed: Assumptions) -> Facts:
    """Return the facts of an engine on which the project runs as its file says.

    Raises FileError when the file has more networks than there are addresses to draw them with.
    """
    engine = EngineFacts("docker", assumed.engine, DROP)
    bound = sorted({address for service in project.services.values() for address in _bound(service)})
    names = sorted({*(n.name for n in project.networks.values()), *_seated(project)})
    subnets = dict(zip(names, _subnets(len(names), project, bound), strict=True))
    containers = tuple(sorted(_containers(project, subnets)))
    networks = tuple(_network(project, name, subnet, assumed) for name, subnet in subnets.items())
    gateways = (str(subnets[n.name][1]) for n in networks if _has_gateway(n, engine))
    return Facts(
        engine,
        tuple(replace(c, publications=_publications(project, networks, c.service)) for c in containers),
        networks,
        host_addresses=tuple(dict.fromkeys((*OWN, SEGMENT[0], *bound, *gateways))),
        outside_address=SEGMENT[1],
        listeners=frozenset(_listeners(project, containers)),
    )


def _seated(project: Project) -> Iterator[str]:
    return (name for service in project.services.values() for name in service.networks)


def _bound(service: Service) -> Iterator[str]:
    """Yield the host's IPv4 addresses to which the file binds a port."""
    for port in service.ports:
        if port.host_address not in EVERY_ADDRESS and is_ipv4(port.host_address):
            yield port.host_address


def is_ipv4(address: str) -> bool:
    """Whether a text is an IPv4 address."""
    try:
        return bool(IPv4Address(address))
    except AddressValueError:
        return False


def _subnets(count: int, project: Project, bound: list[str]) -> Iterator[IPv4Network]:
    """Yield subnets that hold a gateway and every container of the project, and no address that the file binds."""
    hosts = sum(service.replicas for service in project.services.values()) + 3
    pool = POOL.subnets(new_prefix=min(24, 32 - hosts.bit_length()))
    free = (subnet for subnet in pool if not any(IPv4Address(address) in subnet for address in bound))
    found = list(islice(free, count))
    if len(found) < count:
        raise FileError(f"networks: {count} of them, with {hosts} addresses each, are more than can be drawn")
    return iter(found)


def _network(project: Project, name: str, subnet: IPv4Network, assumed: Assumptions) -> NetworkFacts:
    key = project.network_named(name)
    held = (str(subnet),)
    if key is None:  # the engine's own
        return NetworkFacts(name, subnets=held)
    if key.external:
        driver = BRIDGE if assumed.external else UNTOLD
        return NetworkFacts(name, driver, internal=assumed.external == "internal", subnets=held)
    return NetworkFacts(name, key.driver, key.internal, held, tuple(sorted(key.options.items())))


def _has_gateway(network: NetworkFacts, engine: EngineFacts) -> bool:
    """Whether the host has an address on a network; of one that is not told it is asked, to be unknown."""
    if network.driver not in (BRIDGE, UNTOLD):
        return False
    return not (network.internal and ISOLATED in network.options and engine.release >= ISOLATION)


def _containers(project: Project, subnets: Mapping[str, IPv4Network]) -> Iterator[Container]:
    last = 1  # the gateway's
    for name, service in sorted(project.services.items()):
        for number in range(1, service.replicas + 1):
            last += 1
            yield Container(
                name=container_name(project, name, number),
                identity=f"{name}.{number}",
                project=project.name,
                service=name,
                pid=RUNS,
                started="",
                network_mode=_mode(service),
                attachments=tuple(sorted(Attachment(seat, str(subnets[seat][last])) for seat in service.networks)),
            )


def container_name(project: Project, service: str, number: int) -> str:
    """Return the name that Compose gives a container."""
    return f"{project.name}-{service}-{number}"


def _mode(service: Service) -> str:
    """Return the network mode as the engine tells it: who lives with a service lives with its first container."""
    owner = service.shares_namespace_with
    return f"container:{owner}.1" if owner else service.network_mode


def _publications(project: Project, networks: tuple[NetworkFacts, ...], service: str) -> tuple[Publication, ...]:
    body = project.services[service]
    if publishes(body, networks) is Reach.SHUT:
        return ()
    usual = _usual_address(body, networks)
    return tuple(sorted(_publication(port, usual) for port in body.ports if ":" not in port.host_address))


def _usual_address(service: Service, networks: tuple[NetworkFacts, ...]) -> str:
    """Return the address on which a port without one is published: a network may say so, the first that leads out."""
    ways = (n for n in networks if n.name in service.networks and n.driver == BRIDGE and not n.internal)
    options = dict(next((network.options for network in ways), ()))
    return options.get(BINDING, WILDCARD)


def _publication(port: Port, usual: str) -> Publication:
    return Publication(port.host_address or usual, port.host_port, port.protocol, port.target)


def publishes(service: Service, networks: tuple[NetworkFacts, ...]) -> Reach:
    """Return whether the engine would publish what stands under a service's `ports`.

    It does so through a bridge that is not internal; of a network that is not told, or not a bridge, nobody knows.
    """
    seats = [network for network in networks if network.name in service.networks]
    if any(seat.driver == BRIDGE and not seat.internal for seat in seats):
        return Reach.OPEN
    return Reach.UNKNOWN if any(seat.driver != BRIDGE for seat in seats) else Reach.SHUT


def _listeners(project: Project, containers: tuple[Container, ...]) -> Iterator[Listener]:
    """Yield what listens if every port does that the file declares."""
    ports = declared(project, {})
    for container in containers:
        if container.attachments:
            for protocol, port in ports[container.service]:
                yield Listener(container.name, protocol, WILDCARD, port)


def doubt(project: Project, facts: Facts, flow: Flow) -> Prediction | None:
    """Return the prediction of a way in that depends on a network of which the file does not tell what it is.

    Such a network may carry a service's published ports, or none of them.
    """
    end = flow.endpoint
    body = project.services.get(end.place)
    if body is None or not body.ports:
        return None
    untold = sorted(n.name for n in facts.networks if n.name in body.networks and n.driver != BRIDGE)
    published = end.kind is Kind.PUBLISHED and publishes(body, facts.networks) is Reach.UNKNOWN
    routed = flow.vantage.place == OUTSIDE and facts.engine.release < DIRECT_ROUTING_CLOSED and untold
    if not (published or (end.kind is not Kind.PUBLISHED and routed)):
        return None
    labels = ", ".join(known.key if (known := project.network_named(name)) else name for name in untold)
    return Prediction(Reach.UNKNOWN, f"where {end.place} is published depends on {labels}, which is not predicted")
