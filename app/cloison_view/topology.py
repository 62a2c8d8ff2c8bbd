"""Reads the attachments of places to networks, in the order in which the diagram draws them.

Input: a proof document. Output: `Topology`.
Rule: an attachment is declared by the file, found at the engine, or both; where the two differ, the diagram shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cloison_view.connections import Document
from cloison_view.labels import FOREIGN_PREFIX, HOST, OUTSIDE, display_name, natural_key, network_label

ATTACHED_AS_DECLARED: Final = "attached"
ATTACHED_UNDECLARED: Final = "undeclared"
"""The engine has the place on a network where the file does not put it."""
DECLARED_UNATTACHED: Final = "unattached"
"""The file puts the place on a network where no container of it has an address."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the project, or one to which a container of the project is attached."""

    name: str
    label: str
    internal: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A service or a foreign container, and its attachment to each of its networks."""

    name: str
    label: str
    replicas: int
    attachments: dict[str, str]
    members: tuple[str, ...] = ()
    """The places for which it stands, where several are drawn as one."""

    @property
    def first(self) -> str:
        """The place of the document whose evidence it links to."""
        return self.members[0] if self.members else self.name

    @property
    def is_foreign(self) -> bool:
        """Whether it belongs to another project."""
        return self.name.startswith(FOREIGN_PREFIX)


@dataclass(frozen=True)
class Topology:
    """Networks and places in the order in which they are drawn."""

    networks: tuple[Network, ...]
    places: tuple[Place, ...]

    def shared(self, one: str, other: str) -> frozenset[str]:
        """Return the networks that two places share."""
        return self._attached.get(one, frozenset()) & self._attached.get(other, frozenset())

    @cached_property
    def _attached(self) -> dict[str, frozenset[str]]:
        return {place.name: frozenset(place.attachments) for place in self.places}

    @property
    def attachment_count(self) -> int:
        """The number of attachments of all places."""
        return sum(len(place.attachments) for place in self.places)


def read_topology(proof: Document) -> Topology:
    """Return the networks and places of a proof."""
    attachments = _attachments(proof)
    networks = _networks(proof, attachments)
    rank = {network.name: position for position, network in enumerate(networks)}
    replicas = {part["name"]: part["replicas"] for part in proof["project"]["services"]}
    places = [
        Place(
            name,
            display_name(name),
            replicas.get(name, 1),
            {net: attached[net] for net in sorted(attached, key=rank.__getitem__)},
        )
        for name, attached in attachments.items()
    ]
    return Topology(networks, tuple(sorted(places, key=lambda place: _order(place, rank))))


def _order(place: Place, rank: dict[str, int]) -> tuple[Any, ...]:
    """Return the sort key of a place: foreign containers last, else by its first network."""
    attached = [rank[name] for name in place.attachments] or [len(rank)]
    return place.is_foreign, min(attached), max(attached), natural_key(place.name)


def _attachments(proof: Document) -> dict[str, dict[str, str]]:
    """Return the attachments of every place but the host and the outside."""
    attached: dict[str, set[str]] = {}
    for end in proof["endpoints"]:
        if end["network"] and end["address"] and end["container"]:
            attached.setdefault(end["place"], set()).add(end["network"])
    declared = {part["name"]: set(part["networks"]) for part in proof["project"]["services"]}
    met = {part["place"] for part in (*proof["vantages"], *proof["endpoints"])}
    # A place without a running container has no attachment that could be missing.
    return {
        place: {
            network: _attachment_state(
                network in declared.get(place, ()), network in attached.get(place, ()) or place not in attached
            )
            for network in declared.get(place, set()) | attached.get(place, set())
        }
        for place in sorted((declared.keys() | met) - {HOST, OUTSIDE})
    }


def _attachment_state(is_declared: bool, is_attached: bool) -> str:  # noqa: FBT001  # two facts, both named in the table's order
    return {(True, True): ATTACHED_AS_DECLARED, (False, True): ATTACHED_UNDECLARED}.get(
        (is_declared, is_attached), DECLARED_UNATTACHED
    )


def _networks(proof: Document, attachments: dict[str, dict[str, str]]) -> tuple[Network, ...]:
    """Return the networks: those that are not internal first, and networks that share a place next to each other."""
    parts = {part["name"]: part for part in proof["project"]["networks"]}
    names = parts.keys() | {name for attached in attachments.values() for name in attached}
    found = [
        Network(name, network_label(parts.get(name), name), bool(parts.get(name, {}).get("internal"))) for name in names
    ]
    known = {network.name: network for network in found}
    members: dict[str, list[str]] = {name: [] for name in names}
    for place, attached in attachments.items():
        for name in attached:
            members[name].append(place)
    ordered: dict[str, Network] = {}
    pending = sorted(
        found, key=lambda network: (network.internal, natural_key(network.label), network.name), reverse=True
    )
    visited: set[str] = set()
    while pending:
        network = pending.pop()
        if network.name in ordered:
            continue
        ordered[network.name] = network
        # Each place is asked for its networks once, so the time grows with the number of attachments.
        places = [place for place in members[network.name] if place not in visited]
        visited.update(places)
        neighbours = {name for place in places for name in attachments[place]} - ordered.keys()
        pending += [known[name] for name in sorted(neighbours, key=natural_key, reverse=True)]
    return tuple(ordered.values())
