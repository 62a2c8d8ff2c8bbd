"""The synthetic facts of a plan: the facts that an engine would report for a project, derived from its file.

Input: a `Project` and `Assumptions`. Output: `Facts`.
Rule: values that only an engine, an image or a process knows are not invented. An external network has no
driver, so its prediction is unknown unless `--external` gives one; a port that is not declared has no listener.

Addresses are from ranges without internet hosts (RFC 5737, RFC 2544, RFC 3849), and never one that the file binds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import islice
from typing import Final

from cloison.compose.project import Port, Project, Service
from cloison.errors import FileError
from cloison.model.defaults import DEFAULT_ENGINE_VERSION
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, Listener, NetworkFacts, PublishedPort
from cloison.model.flow import EVERY_ADDRESS, OUTSIDE, WILDCARD, EndpointKind, Flow, ip_version
from cloison.model.outcome import Reach
from cloison.plan.rejections import has_ipv6
from cloison.predict.common_rules import ACCEPT, DROP
from cloison.predict.context import Prediction
from cloison.predict.docker_ipv4 import DIRECT_ROUTING_CLOSED
from cloison.predict.docker_ipv6 import IPV6_RULES_SINCE
from cloison.predict.predictor import DEFAULT_ENGINE
from cloison.verdict.flow_enumeration import Ports, declared_ports

POOL: Final = IPv4Network("198.18.0.0/15")
POOL_V6: Final = IPv6Network("2001:db8:f000::/36")
OUTSIDE_GATEWAYS: Final = ("198.51.100.1", "2001:db8:c105::1")
OUTSIDE_ADDRESSES: Final = ("198.51.100.2", "2001:db8:c105::2")
"""The addresses of the host and of the outside on the link between them."""
HOST_ADDRESSES: Final = ("127.0.0.1", "192.0.2.1", "::1", "2001:db8:c0::1")
"""The host's addresses on loopback and on a physical interface."""
REPLICA_CAP: Final = 4
"""The largest number of replicas of a service in a plan: further ones are predicted alike."""
SYNTHETIC_PID: Final = 1
"""The pid of a synthetic container: not 0, because 0 means that it does not run."""
BRIDGE: Final = "bridge"
UNKNOWN_DRIVER: Final = ""
"""The driver of a network for which the file gives none."""
ISOLATED: Final = {version: (f"com.docker.network.bridge.gateway_mode_ipv{version}", "isolated") for version in (4, 6)}
BINDING: Final = "com.docker.network.bridge.host_binding_ipv4"
ISOLATED_BRIDGE_SINCE: Final = (28, 0)
"""Since this version the host can have no address on a bridge, per version of IP:
https://github.com/moby/moby/pull/49262"""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The assumptions of a plan. `external` is the assumed kind of external networks: bridge, internal or empty."""

    engine: str = DEFAULT_ENGINE_VERSION
    external: str = ""

    @property
    def engine_facts(self) -> EngineFacts:
        """The facts of the engine itself."""
        facts = EngineFacts(DEFAULT_ENGINE, self.engine, DROP, ACCEPT)
        return replace(facts, filters_ipv6=facts.release >= IPV6_RULES_SINCE)


def modelled_project(project: Project, assumed: Assumptions) -> Project:
    """Return the project as a plan models it: at most `REPLICA_CAP` replicas, and only IPv6 that the engine can give.

    `rejections` names the networks whose IPv6 is left out.
    """
    services = {
        name: replace(body, replicas=min(body.replicas, REPLICA_CAP)) for name, body in project.services.items()
    }
    release = assumed.engine_facts.release
    networks = {key: replace(known, ipv6=has_ipv6(known, release)) for key, known in project.networks.items()}
    return replace(project, services=services, networks=networks)


def synthetic_facts(project: Project, assumed: Assumptions, host_ports: Ports = ()) -> Facts:
    """Return the facts of an engine that runs the project as its file describes.

    `host_ports` are the ports of the host that the policy names; each is assumed to have a listener.
    Raises FileError when the file needs more subnets than the address pool has.
    """
    engine = assumed.engine_facts
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
    """Yield the host's addresses that the file binds ports to."""
    for port in service.ports:
        if port.host_address not in EVERY_ADDRESS:
            yield port.host_address


Subnets = tuple[IPv4Network | IPv6Network, ...]
"""The subnets of a network: one for each version of IP, IPv4 first."""


def _subnets(names: list[str], project: Project, bound_addresses: list[str]) -> dict[str, Subnets]:
    """Return subnets with room for a gateway and every container, and without the addresses that the file binds."""
    hosts = sum(service.replicas for service in project.services.values()) + 3
    pool = POOL.subnets(new_prefix=min(24, 32 - hosts.bit_length()))
    free = (subnet for subnet in pool if not any(ip_address(address) in subnet for address in bound_addresses))
    found = list(islice(free, len(names)))
    if len(found) < len(names):
        raise FileError(f"networks: {len(names)} networks with {hosts} addresses each do not fit into {POOL}")
    pool_v6 = (
        subnet for subnet in POOL_V6.subnets(new_prefix=64) if not any(ip_address(a) in subnet for a in bound_addresses)
    )
    return {
        name: (subnet, next(pool_v6))
        if (file_network := project.network_named(name)) and file_network.ipv6
        else (subnet,)
        for name, subnet in zip(names, found, strict=True)
    }


def _network(project: Project, name: str, subnets: Subnets, assumed: Assumptions) -> NetworkFacts:
    key = project.network_named(name)
    held = tuple(map(str, subnets))
    if key is None:  # the engine's default network
        return NetworkFacts(name, subnets=held)
    if key.external:
        driver = BRIDGE if assumed.external else UNKNOWN_DRIVER
        return NetworkFacts(name, driver, internal=assumed.external == "internal", subnets=held)
    return NetworkFacts(name, key.driver, key.internal, held, tuple(sorted(key.options.items())))


def _has_gateway(network: NetworkFacts, engine: EngineFacts, subnet: IPv4Network | IPv6Network) -> bool:
    """Whether the host has an address on a network; also for an unknown driver, where its prediction is unknown."""
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
    """Return the network mode as the engine reports it: `service:NAME` becomes the first container of NAME."""
    owner = service.shares_namespace_with
    return f"container:{owner}.1" if owner else service.network_mode


def _published_ports(project: Project, networks: tuple[NetworkFacts, ...], service: str) -> tuple[PublishedPort, ...]:
    body = project.services[service]
    if publishes(body, networks) is Reach.SHUT:
        return ()
    default_addresses = _default_addresses(body, networks)
    return tuple(sorted(binding for port in body.ports for binding in _bindings(port, default_addresses)))


def _default_addresses(service: Service, networks: tuple[NetworkFacts, ...]) -> list[str]:
    """Return the addresses of a port without `host_ip`: the option of the first bridge that is not internal."""
    gateway_networks = (n for n in networks if n.name in service.networks and n.driver == BRIDGE and not n.internal)
    options = dict(next((network.options for network in gateway_networks), ()))
    return [options[BINDING]] if BINDING in options else [*WILDCARD.values()]


def _bindings(port: Port, default_addresses: list[str]) -> Iterator[PublishedPort]:
    for address in [port.host_address] if port.host_address else default_addresses:
        yield PublishedPort(address, port.host_port, port.protocol, port.target)


def publishes(service: Service, networks: tuple[NetworkFacts, ...]) -> Reach:
    """Return whether the engine would publish the `ports` of a service.

    It publishes through a bridge that is not internal; with other drivers the result is unknown.
    """
    attached_networks = [network for network in networks if network.name in service.networks]
    if any(attachment.driver == BRIDGE and not attachment.internal for attachment in attached_networks):
        return Reach.OPEN
    return Reach.UNKNOWN if any(attachment.driver != BRIDGE for attachment in attached_networks) else Reach.SHUT


def _listeners(project: Project, containers: tuple[Container, ...]) -> Iterator[Listener]:
    """Yield a listener for every port that the file declares."""
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


def undetermined_services(project: Project) -> frozenset[str]:
    """Return the services for which `undetermined` may have an answer: with ports, on a network of another driver."""
    known = {network.name for network in project.networks.values() if network.driver == BRIDGE and not network.external}
    return frozenset(
        name for name, body in project.services.items() if body.ports and not known.issuperset(body.networks)
    )


def undetermined(project: Project, facts: Facts, flow: Flow) -> Prediction | None:
    """Return unknown for a flow to one of the `undetermined_services` that depends on a network with an unknown driver.

    Such a network may publish all of the service's ports or none of them.
    """
    end = flow.endpoint
    body = project.services[end.place]
    undetermined_networks = sorted(n.name for n in facts.networks if n.name in body.networks and n.driver != BRIDGE)
    published = end.kind is EndpointKind.PUBLISHED and publishes(body, facts.networks) is Reach.UNKNOWN
    routed = flow.vantage.place == OUTSIDE and facts.engine.release < DIRECT_ROUTING_CLOSED and undetermined_networks
    if not (published or (end.kind is not EndpointKind.PUBLISHED and routed)):
        return None
    labels = ", ".join(known.key if (known := project.network_named(name)) else name for name in undetermined_networks)
    return Prediction(Reach.UNKNOWN, f"the ports of {end.place} depend on {labels}, which is not predicted")
