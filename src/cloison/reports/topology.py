"""Reads the proof document: every flow with its two ends, and what the document says about places and networks.

Rule: nothing here judges; what a flow is, the document says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloison.model.facts import ANY_PORT, HOST, OUTSIDE, STRANGER, version_of
from cloison.proof.schema import EndpointPart, FlowPart, NetworkPart, ProjectPart, Proof, VantagePart


@dataclass(frozen=True, slots=True)
class Seen:
    """One flow of the document with its two ends."""

    flow: FlowPart
    source: VantagePart
    target: EndpointPart
    named: bool
    """Whether any port of the target's place is asked by its number."""


def seen(proof: Proof) -> list[Seen]:
    """Return every flow with its ends, in the document's order."""
    named = {end.place for end in proof.endpoints if end.service_port != ANY_PORT}
    pairs = ((flow, proof.vantages[flow.vantage], proof.endpoints[flow.endpoint]) for flow in proof.flows)
    return [Seen(flow, source, target, target.place in named) for flow, source, target in pairs]


def places(names: Iterable[str], *, host_last: bool) -> list[str]:
    """Sort places for the eye: services, strangers, then the two that every project has."""
    ends = (OUTSIDE, HOST) if host_last else (HOST, OUTSIDE)
    rank = {ends[0]: 2, ends[1]: 3}
    return sorted(set(names), key=lambda name: (rank.get(name, int(name.startswith(STRANGER))), name))


def called(place: str) -> str:
    """Return what a place is called in a sentence: a stranger goes by the name of its container."""
    return place.removeprefix(STRANGER)


@dataclass(frozen=True, slots=True)
class Scene:
    """Who sits where: as the file draws it, and as the engine has it."""

    networks: dict[str, NetworkPart]
    drawn: dict[str, frozenset[str]]
    """Service to the engine names of the networks that the file gives it."""
    held: dict[str, frozenset[str]]
    """Container to the engine names of the networks on which it has an address."""
    tongues: dict[str, frozenset[int]]
    """Container to the versions of IP in which it has an address."""
    speaking: dict[str, frozenset[int]]
    """Network to the versions of IP in which somebody has an address there."""

    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        part = self.networks.get(network)
        return part.key if part and part.key else network

    def is_drawn(self, place: str, network: str) -> bool:
        """Whether the file puts a service on a network."""
        return network in self.drawn.get(place, frozenset())

    def networks_v6(self, place: str) -> list[str]:
        """Return the networks that the file gives a service and that have IPv6."""
        return sorted(name for name in self.drawn.get(place, ()) if 6 in self.speaking.get(name, ()))  # noqa: PLR2004

    def uninvited(self, place: str, container: str) -> list[str]:
        """Return the networks on which a service's container sits although the file does not put it there."""
        return sorted(self.held.get(container, frozenset()) - self.drawn.get(place, frozenset()))

    def open_networks(self, place: str) -> list[str]:
        """Return the networks that the file gives a service and that the engine does not hold as internal."""
        seats = sorted(self.drawn.get(place, frozenset()))
        return [name for name in seats if name in self.networks and not self.networks[name].internal]


def scene(proof: Proof) -> Scene:
    """Read who sits where."""
    return scene_of(proof.project, proof.endpoints)


def scene_of(project: ProjectPart, endpoints: Iterable[EndpointPart]) -> Scene:
    """Read who sits where, of a project and the endpoints that were asked."""
    held: dict[str, set[str]] = {}
    tongues: dict[str, set[int]] = {}
    speaking: dict[str, set[int]] = {}
    for end in endpoints:
        if end.container and end.network and end.address:
            held.setdefault(end.container, set()).add(end.network)
            tongues.setdefault(end.container, set()).add(version_of(end.address))
            speaking.setdefault(end.network, set()).add(version_of(end.address))
    return Scene(
        networks={network.name: network for network in project.networks},
        drawn={service.name: frozenset(service.networks) for service in project.services},
        held={container: frozenset(seats) for container, seats in held.items()},
        tongues={container: frozenset(versions) for container, versions in tongues.items()},
        speaking={network: frozenset(versions) for network, versions in speaking.items()},
    )
