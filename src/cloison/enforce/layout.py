"""The bridges of a project and their ports, as far as enforcement knows them.

Output: frozen values without a client; `observe.bridge_ports` reads them from the engine and the kernel.
Rule: a port is known by its name, its hardware address and its addresses together. A port that starts later, or whose
container is unknown, is not in the layout, and so it is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison.compose.flow_rule import ANY_PLACE
from cloison.model.flow import FOREIGN

TABLE_PREFIX: Final = "cloison_"
"""The beginning of the names of the tables of nftables; the project's name follows."""


def table_name(project: str) -> str:
    """Return the name of a project's tables."""
    return TABLE_PREFIX + project


@dataclass(frozen=True, slots=True, order=True)
class Bridge:
    """A bridge of the host that carries a network: its interface, the network's name and its subnets (CIDR)."""

    name: str
    network: str
    subnets: tuple[str, ...] = ()
    host_addresses: tuple[str, ...] = ()
    """The host's own addresses on it, which are the containers' gateways."""
    mac_address: str = ""
    """The hardware address with which the host itself sends over it."""


@dataclass(frozen=True, slots=True, order=True)
class BridgePort:
    """A port of a bridge: the host's end of the veth pair of a container.

    `mac_address` is that of the container's end, such as 02:42:ac:12:00:02; `places` are the services, or the foreign
    container, in its network namespace.
    """

    bridge: str
    name: str
    mac_address: str
    addresses: tuple[str, ...]
    places: tuple[str, ...]
    container: str

    def is_at(self, place: str) -> bool:
        """Whether a place of a policy, or `*`, names a service in its namespace."""
        if place == ANY_PLACE:
            return not all(found.startswith(FOREIGN) for found in self.places)
        return place in self.places


@dataclass(frozen=True, slots=True)
class Layout:
    """What a project's networks have now. `uncovered` are the parts that no bridge of this host carries."""

    project: str
    bridges: tuple[Bridge, ...]
    ports: tuple[BridgePort, ...]
    host_services: frozenset[str] = frozenset()
    """The services in the host's network namespace, whose connections are the host's."""
    uncovered: tuple[tuple[str, str], ...] = ()
    """(what, why) pairs: a network without a bridge, a container whose port was not found."""

    def network(self, bridge: str) -> str:
        """Return the name of the network that a bridge carries."""
        return next(found.network for found in self.bridges if found.name == bridge)
