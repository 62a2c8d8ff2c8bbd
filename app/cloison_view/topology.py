"""Reads who sits where: the networks of a proof in the order in which they are drawn, and the seats of every place.

Rule: a seat is what the file draws, what the engine holds, or both; where they differ, the picture says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cloison_view.connections import Document
from cloison_view.labels import HOST, OUTSIDE, STRANGER, called, natural, network_label

DRAWN_AND_HELD: Final = "held"
ONLY_HELD: Final = "uninvited"
"""The engine has the place on a network where the file does not put it."""
ONLY_DRAWN: Final = "empty"
"""The file puts the place on a network where no container of it has an address."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network of the project, or one that somebody of the project was found on."""

    name: str
    label: str
    internal: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A service or a stranger, and its seat on each of its networks."""

    name: str
    label: str
    replicas: int
    seats: dict[str, str]

    @property
    def is_stranger(self) -> bool:
        """Whether it is of another project."""
        return self.name.startswith(STRANGER)


@dataclass(frozen=True, slots=True)
class Scenery:
    """Networks and places in the order in which they are drawn."""

    networks: tuple[Network, ...]
    places: tuple[Place, ...]

    def shared(self, one: str, other: str) -> frozenset[str]:
        """Return the networks that two places share."""
        seats = {place.name: place.seats.keys() for place in self.places}
        return frozenset(seats.get(one, ())) & frozenset(seats.get(other, ()))


def scenery(proof: Document) -> Scenery:
    """Read who sits where."""
    seats = _seats(proof)
    networks = _networks(proof, seats)
    rank = {network.name: position for position, network in enumerate(networks)}
    replicas = {part["name"]: part["replicas"] for part in proof["project"]["services"]}
    places = [
        Place(name, called(name), replicas.get(name, 1), {net: held[net] for net in sorted(held, key=rank.__getitem__)})
        for name, held in seats.items()
    ]
    return Scenery(networks, tuple(sorted(places, key=lambda place: _order(place, rank))))


def _order(place: Place, rank: dict[str, int]) -> tuple[Any, ...]:
    """Return where a place stands: strangers last, else from the first network down."""
    held = [rank[name] for name in place.seats] or [len(rank)]
    return place.is_stranger, min(held), max(held), natural(place.name)


def _seats(proof: Document) -> dict[str, dict[str, str]]:
    """Return the seats of every place but the host and the outside."""
    held: dict[str, set[str]] = {}
    for end in proof["endpoints"]:
        if end["network"] and end["address"] and end["container"]:
            held.setdefault(end["place"], set()).add(end["network"])
    drawn = {part["name"]: set(part["networks"]) for part in proof["project"]["services"]}
    met = {part["place"] for part in (*proof["vantages"], *proof["endpoints"])}
    # A place of which no container was met has no seat that could be missing.
    return {
        place: {
            network: _seat(network in drawn.get(place, ()), network in held.get(place, ()) or place not in held)
            for network in drawn.get(place, set()) | held.get(place, set())
        }
        for place in sorted((drawn.keys() | met) - {HOST, OUTSIDE})
    }


def _seat(is_drawn: bool, is_held: bool) -> str:  # noqa: FBT001  # two facts, both named in the table's order
    return {(True, True): DRAWN_AND_HELD, (False, True): ONLY_HELD}.get((is_drawn, is_held), ONLY_DRAWN)


def _networks(proof: Document, seats: dict[str, dict[str, str]]) -> tuple[Network, ...]:
    """Return the networks: those nearest to the outside first, and neighbours by a shared place next to each other."""
    parts = {part["name"]: part for part in proof["project"]["networks"]}
    names = parts.keys() | {name for held in seats.values() for name in held}
    found = [
        Network(name, network_label(parts.get(name), name), bool(parts.get(name, {}).get("internal"))) for name in names
    ]
    beside: dict[str, set[str]] = {name: set() for name in names}
    for held in seats.values():
        for name in held:
            beside[name] |= held.keys()
    ordered: dict[str, Network] = {}
    waiting = sorted(found, key=lambda network: (network.internal, natural(network.label), network.name), reverse=True)
    known = {network.name: network for network in waiting}
    while waiting:
        network = waiting.pop()
        if network.name not in ordered:
            ordered[network.name] = network
            waiting += [
                known[name] for name in sorted(beside[network.name] - ordered.keys(), key=natural, reverse=True)
            ]
    return tuple(ordered.values())
