"""Reads the proof document: every flow with its two ends, and what the document says about places and networks.

Rule: nothing here judges; what a flow is, the document says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloison.model.flow import ANY_PORT, FOREIGN, HOST, OUTSIDE, ip_version
from cloison.proof.schema import EndpointPart, FlowPart, NetworkPart, ProjectPart, Proof, VantagePart


@dataclass(frozen=True, slots=True)
class ResolvedFlow:
    """One flow of the document with its two ends."""

    flow: FlowPart
    source: VantagePart
    target: EndpointPart
    named: bool
    """Whether any port of the target's place is asked by its number."""


def resolve_flows(proof: Proof) -> list[ResolvedFlow]:
    """Return every flow with its ends, in the document's order."""
    named = {end.place for end in proof.endpoints if end.service_port != ANY_PORT}
    pairs = ((flow, proof.vantages[flow.vantage], proof.endpoints[flow.endpoint]) for flow in proof.flows)
    return [ResolvedFlow(flow, source, target, target.place in named) for flow, source, target in pairs]


def sort_places(names: Iterable[str], *, host_last: bool) -> list[str]:
    """Sort places for the eye: services, strangers, then the two that every project has."""
    ends = (OUTSIDE, HOST) if host_last else (HOST, OUTSIDE)
    rank = {ends[0]: 2, ends[1]: 3}
    return sorted(set(names), key=lambda name: (rank.get(name, int(name.startswith(FOREIGN))), name))


def display_name(place: str) -> str:
    """Return what a place is called in a sentence: a stranger goes by the name of its container."""
    return place.removeprefix(FOREIGN)


@dataclass(frozen=True, slots=True)
class Topology:
    """Who sits where: as the file draws it, and as the engine has it."""

    networks: dict[str, NetworkPart]
    declared: dict[str, frozenset[str]]
    """Service to the engine names of the networks that the file gives it."""
    attached: dict[str, frozenset[str]]
    """Container to the engine names of the networks on which it has an address."""
    ip_versions: dict[str, frozenset[int]]
    """Container to the versions of IP in which it has an address."""
    network_ip_versions: dict[str, frozenset[int]]
    """Network to the versions of IP in which somebody has an address there."""

    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        part = self.networks.get(network)
        return part.key if part and part.key else network

    def is_declared(self, place: str, network: str) -> bool:
        """Whether the file puts a service on a network."""
        return network in self.declared.get(place, frozenset())

    def ipv6_networks(self, place: str) -> list[str]:
        """Return the networks that the file gives a service and that have IPv6."""
        return sorted(name for name in self.declared.get(place, ()) if 6 in self.network_ip_versions.get(name, ()))  # noqa: PLR2004  # of IP

    def undeclared_networks(self, place: str, container: str) -> list[str]:
        """Return the networks on which a service's container sits although the file does not put it there."""
        return sorted(self.attached.get(container, frozenset()) - self.declared.get(place, frozenset()))

    def non_internal_networks(self, place: str) -> list[str]:
        """Return the networks that the file gives a service and that the engine does not hold as internal."""
        attached_networks = sorted(self.declared.get(place, frozenset()))
        return [name for name in attached_networks if name in self.networks and not self.networks[name].internal]


def read_topology(proof: Proof) -> Topology:
    """Read who sits where."""
    return topology_of(proof.project, proof.endpoints)


def topology_of(project: ProjectPart, endpoints: Iterable[EndpointPart]) -> Topology:
    """Read who sits where, of a project and the endpoints that were asked."""
    attached: dict[str, set[str]] = {}
    ip_versions: dict[str, set[int]] = {}
    network_ip_versions: dict[str, set[int]] = {}
    for end in endpoints:
        if end.container and end.network and end.address:
            attached.setdefault(end.container, set()).add(end.network)
            ip_versions.setdefault(end.container, set()).add(ip_version(end.address))
            network_ip_versions.setdefault(end.network, set()).add(ip_version(end.address))
    return Topology(
        networks={network.name: network for network in project.networks},
        declared={service.name: frozenset(service.networks) for service in project.services},
        attached={container: frozenset(attached_networks) for container, attached_networks in attached.items()},
        ip_versions={container: frozenset(versions) for container, versions in ip_versions.items()},
        network_ip_versions={network: frozenset(versions) for network, versions in network_ip_versions.items()},
    )
