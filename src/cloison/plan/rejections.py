"""What the engine refuses of a Compose file, so that the project does not start as it is written.

Input: a `Project` whose addresses `compose.addressing` has checked, and the engine's version. Output: (path of the key,
sentence) pairs.
Rule: only what is certain from the file is named. The host's own ports, addresses and routes are not known here.
Sources:
  - ports of a shared namespace: ErrConflictNetworkPublishPorts of
    https://github.com/moby/moby/blob/v20.10.24/runconfig/errors.go
  - equal ports: "port is already allocated",
    https://github.com/moby/moby/blob/v24.0.7/libnetwork/portallocator/portallocator.go
  - static addresses: "Address already in use" of
    https://github.com/moby/moby/blob/v24.0.7/libnetwork/ipamapi/contract.go
  - IPv6 without a subnet: https://docs.docker.com/engine/release-notes/27/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from itertools import combinations
from typing import Final

from cloison.compose.project import NAMESPACE_OWNER_KINDS, Network, Port, Project, Service

IPV6_POOLS_SINCE: Final = (27, 0)
"""The engine that has default subnets for IPv6."""
Rejection = tuple[str, str]


def rejections(project: Project, release: tuple[int, int]) -> list[Rejection]:
    """Return what an engine of this (major, minor) release refuses, in the order of the paths."""
    own = [network for network in project.networks.values() if not network.external]
    services = project.services.values()
    return sorted(
        {
            *_ports_of_shared_namespaces(services),
            *_equal_ports([service for service in services if not service.network_mode]),
            *_static_addresses(project, own),
            *_ipv6_without_subnet(own, release),
        }
    )


def _ports_of_shared_namespaces(services: Iterable[Service]) -> Iterator[Rejection]:
    for service in services:
        if service.ports and service.network_mode.partition(":")[0] in NAMESPACE_OWNER_KINDS:
            owner = service.network_mode.partition(":")[2]
            yield (
                f"services.{service.name}.ports",
                f"the engine refuses ports of a container in the network namespace of {owner}; publish them there",
            )


def _equal_ports(services: Iterable[Service]) -> Iterator[Rejection]:
    claims: dict[tuple[str, int], list[tuple[Service, Port]]] = {}
    for service in services:
        for port in service.ports:
            if port.host_port:
                claims.setdefault((port.protocol, port.host_port), []).append((service, port))
                if service.replicas > 1:
                    says = f"{service.replicas} containers cannot have one port of the host, {port.host_port}"
                    yield f"services.{service.name}.ports", f"{says}; let the engine choose it, or have one container"
    for claimed in claims.values():
        for (first, one), (second, other) in combinations(claimed, 2):
            if _share_an_address(one.host_address, other.host_address):
                says = f"port {other.host_port} of the host is published for {first.name}:{one.target} already"
                yield f"services.{second.name}.ports", f"{says}; choose another"


def _share_an_address(one: str, other: str) -> bool:
    """Whether two ports bind the same address; an empty one is every address of both versions of IP."""
    if "" in (one, other):
        return True
    first, second = ip_address(one), ip_address(other)
    is_everywhere = first.is_unspecified or second.is_unspecified
    return first == second or (first.version == second.version and is_everywhere)


def _static_addresses(project: Project, own: Iterable[Network]) -> Iterator[Rejection]:
    """Yield the static addresses that `addressing` accepts and the engine does not."""
    for network in own:
        first = {str(ip_network(subnet, strict=False).network_address) for subnet in network.subnets}
        for service in project.services.values():
            for text in service.static_addresses.get(network.name, ()):
                where = f"services.{service.name}.networks.{network.key}"
                if text in first:
                    yield where, f"{text} is the address of the network {network.key} itself; choose another"
                if service.replicas > 1:
                    yield where, f"{service.replicas} containers cannot have the address {text}; remove it"


def _ipv6_without_subnet(networks: Iterable[Network], release: tuple[int, int]) -> Iterator[Rejection]:
    for network in networks:
        if network.ipv6 and not has_ipv6(network, release):
            yield (
                f"networks.{network.key}.enable_ipv6",
                "an engine before 27 has no subnets for IPv6 of its own; add one to ipam.config",
            )


def has_ipv6(network: Network, release: tuple[int, int]) -> bool:
    """Whether a network of the file can have IPv6 addresses on an engine of this release."""
    has_subnet = any(":" in subnet for subnet in network.subnets)
    return network.ipv6 and (has_subnet or network.external or release >= IPV6_POOLS_SINCE)
