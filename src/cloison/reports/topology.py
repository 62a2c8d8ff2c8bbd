"""Reads the attachments of places to networks, and single flows with their two ends, from a proof or a plan.

Input: the document. Output: `Topology` and `ResolvedFlow`, from which `advice` chooses a remedy.
Rule: nothing here judges a flow; the document has the judgements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cloison.model.facts import Origin
from cloison.model.flow import ip_version
from cloison.proof.schema import EndpointPart, FlowPart, NetworkPart, ProjectPart, Proof, VantagePart


@dataclass(frozen=True, slots=True)
class ResolvedFlow:
    """One flow of the document with its two ends."""

    flow: FlowPart
    source: VantagePart
    target: EndpointPart
    ports: str = ""
    """The range of ports for which the flow stands in a report, empty for its own port."""


def resolve(proof: Proof, position: int) -> ResolvedFlow:
    """Return the flow at a position of a proof with its ends."""
    flow = proof.flows[position]
    return ResolvedFlow(flow, proof.vantages[flow.vantage], proof.endpoints[flow.endpoint])


@dataclass(frozen=True, slots=True)
class Topology:
    """The attachments of places to networks, as the file declares them and as the engine has them."""

    networks: dict[str, NetworkPart]
    declared: dict[str, frozenset[str]]
    """Service to the engine names of its networks in the file."""
    attached: dict[str, frozenset[str]]
    """Container to the engine names of the networks on which it has an address."""
    network_ip_versions: dict[str, frozenset[int]]
    """Network to the versions of IP in which a container has an address on it."""
    members: dict[str, str] = field(default_factory=dict)
    """Member of a network that the engine does not know, to the port of the host's bridge, or empty without one."""

    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        part = self.networks.get(network)
        return part.key if part and part.key else network

    def is_declared(self, place: str, network: str) -> bool:
        """Whether the file attaches a service to a network."""
        return network in self.declared.get(place, frozenset())

    def ipv6_networks(self, place: str) -> list[str]:
        """Return the networks of a service in the file that have IPv6."""
        return sorted(name for name in self.declared.get(place, ()) if 6 in self.network_ip_versions.get(name, ()))  # noqa: PLR2004  # of IP

    def undeclared_networks(self, place: str, container: str) -> list[str]:
        """Return the networks to which a container is attached although the file does not attach its service."""
        return sorted(self.attached.get(container, frozenset()) - self.declared.get(place, frozenset()))

    def non_internal_networks(self, place: str) -> list[str]:
        """Return the networks of a service in the file that are not internal at the engine."""
        attached_networks = sorted(self.declared.get(place, frozenset()))
        return [name for name in attached_networks if name in self.networks and not self.networks[name].internal]


def read_topology(proof: Proof) -> Topology:
    """Return the topology of a proof."""
    return topology_of(proof.project, proof.endpoints, proof.vantages)


def topology_of(
    project: ProjectPart, endpoints: Iterable[EndpointPart], vantages: Iterable[VantagePart] = ()
) -> Topology:
    """Return the topology of a project and the endpoints of its document."""
    attached: dict[str, set[str]] = {}
    network_ip_versions: dict[str, set[int]] = {}
    for end in endpoints:
        if end.container and end.network and end.address:
            attached.setdefault(end.container, set()).add(end.network)
            network_ip_versions.setdefault(end.network, set()).add(ip_version(end.address))
    return Topology(
        networks={network.name: network for network in project.networks},
        declared={service.name: frozenset(service.networks) for service in project.services},
        attached={container: frozenset(attached_networks) for container, attached_networks in attached.items()},
        network_ip_versions={network: frozenset(versions) for network, versions in network_ip_versions.items()},
        members={vantage.container: vantage.via for vantage in vantages if vantage.origin is not Origin.ENGINE},
    )


def port_numbers(item: ResolvedFlow) -> str:
    """Return the service port of a flow, or the range for which it stands; empty for a canary."""
    return item.ports or str(item.target.service_port or "")


def over_ipv6(_topology: Topology, item: ResolvedFlow) -> bool:
    """Whether a flow ends at an IPv6 address."""
    return ip_version(item.target.address) == 6  # noqa: PLR2004  # of IP


def over_unfiltered_ipv6(topology: Topology, item: ResolvedFlow) -> bool:
    """Whether it does, and its source has networks with IPv6, all of them internal."""
    networks = {*topology.ipv6_networks(item.source.place)}
    return (
        over_ipv6(topology, item)
        and bool(networks)
        and networks.isdisjoint(topology.non_internal_networks(item.source.place))
    )
