"""What a rule of the prediction may look at: the file as it is drawn, and the facts of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison.compose import DEFAULT_BRIDGE, Port, Project
from cloison.model import HOST, STRANGER, WILDCARD, Endpoint, Facts, version_of

ICC: Final = "com.docker.network.bridge.enable_icc"
MASQUERADE: Final = "com.docker.network.bridge.enable_ip_masquerade"


@dataclass(frozen=True, slots=True)
class World:
    """What a rule may look at besides the flow."""

    project: Project
    facts: Facts

    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        drawn = self.project.network_named(network)
        return drawn.key if drawn else network

    def is_internal(self, network: str) -> bool:
        """Whether a network is meant to be internal: by the file, or by the engine where the file only borrows it."""
        drawn = self.project.network_named(network)
        if drawn and not drawn.external:
            return drawn.internal
        fact = self.facts.network(network)
        return bool(fact and fact.internal)

    def driver(self, network: str) -> str:
        """Return the driver of a network."""
        fact, drawn = self.facts.network(network), self.project.network_named(network)
        return fact.driver if fact else drawn.driver if drawn else "bridge"

    def is_borrowed(self, network: str) -> bool:
        """Whether the network belongs to others too: the file says so (`external`), or it is the engine's own."""
        drawn = self.project.network_named(network)
        return drawn.external if drawn else network == DEFAULT_BRIDGE

    def seats(self, place: str) -> tuple[str, ...]:
        """Return the networks on which the file puts a place; a stranger sits only where the file invites others."""
        if not place.startswith(STRANGER):
            return self.project.seats(place)
        name = place.removeprefix(STRANGER)
        held = [seat.network for c in self.facts.containers if c.name == name for seat in c.attachments]
        return tuple(network for network in held if self.is_borrowed(network))

    def way_out(self, place: str) -> str:
        """Return the network that carries a container's default route: the first that is not internal, else the first.

        Docker takes the networks in the order of their names: https://docs.docker.com/engine/network/#connecting-to-multiple-networks
        """
        seats = sorted(self.seats(place))
        return next((n for n in seats if not self.is_internal(n)), seats[0] if seats else "")

    def seats_v6(self, place: str) -> tuple[str, ...]:
        """Return the networks on which the file gives a place an IPv6 address."""
        return tuple(network for network in self.seats(place) if self.speaks_ipv6(network))

    def speaks_ipv6(self, network: str) -> bool:
        """Whether a network is meant to have IPv6: by the file, or by the engine where the file only borrows it."""
        drawn, fact = self.project.network_named(network), self.facts.network(network)
        if drawn and not drawn.external:
            return drawn.ipv6
        return fact is not None and any(":" in subnet for subnet in fact.subnets)

    def is_at_home(self, place: str) -> bool:
        """Whether a place is the host, or a service that lives in the host's namespace."""
        service = self.project.services.get(self.project.owner(place))
        return place == HOST or bool(service and service.network_mode == HOST)

    def has_icc_off(self, network: str) -> bool:
        """Whether a network is meant to keep its members apart: by the file, or by the engine where it is borrowed."""
        return self._option(network, ICC) == "false"

    def masquerades(self, network: str) -> bool:
        """Whether what leaves a network carries the host's address, which is the rule."""
        return self._option(network, MASQUERADE) != "false"

    def _option(self, network: str, name: str) -> str | None:
        drawn, fact = self.project.network_named(network), self.facts.network(network)
        options = drawn.options if drawn and not drawn.external else dict(fact.options) if fact else {}
        return options.get(name)

    def publishes(self, end: Endpoint) -> bool:
        """Whether the file leads a port of the host to the service port of `end`, over its version of IP."""
        version = version_of(end.address)
        return any(not port.host_address or version_of(port.host_address) == version for port in self._ports(end))

    def publishes_there(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` at that address and port of the host."""
        return any(
            port.host_address in (WILDCARD[version_of(end.address)], "", end.address)
            and port.host_port in (0, end.port)
            for port in self._ports(end)
        )

    def _ports(self, end: Endpoint) -> list[Port]:
        service = self.project.services.get(end.place)
        ports = service.ports if service else ()
        return [port for port in ports if (port.target, port.protocol) == (end.service_port, end.protocol)]
