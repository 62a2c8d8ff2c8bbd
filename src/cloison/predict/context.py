"""What a rule of the prediction may look at: the file as it is drawn, and the facts of the engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from cloison.compose.project import DEFAULT_BRIDGE, Port, Project
from cloison.model.facts import HOST, STRANGER, WILDCARD, Endpoint, Facts, version_of

ICC: Final = "com.docker.network.bridge.enable_icc"
ISOLATE: Final = "isolate"
MASQUERADE: Final = "com.docker.network.bridge.enable_ip_masquerade"
GATEWAY_MODE: Final = "com.docker.network.bridge.gateway_mode_ipv4"
GATEWAY_MODE_V6: Final = "com.docker.network.bridge.gateway_mode_ipv6"
TRUSTED: Final = "com.docker.network.bridge.trusted_host_interfaces"
NAT: Final = "nat"
UNPROTECTED: Final = "nat-unprotected"
ROUTED: Final = "routed"
ISOLATED: Final = "isolated"
INTERNAL_WITHOUT_ROUTE: Final = (25, 0)
"""From here on an internal network gives its members no default route: https://github.com/moby/moby/pull/46603"""
GATEWAY_MODES: Final = (27, 0)
"""From here on a network has a gateway mode: https://github.com/moby/moby/pull/47871"""
GATEWAY_PRIORITY: Final = (28, 0)
"""From here on `gw_priority` chooses the gateway: https://github.com/moby/moby/pull/48936"""
TRUSTED_INTERFACES: Final = (28, 2)
"""From here on a network may trust interfaces of the host: https://github.com/moby/moby/pull/49832"""


R = TypeVar("R")


def _remembered(question: Callable[[World, str], R]) -> Callable[[World, str], R]:
    """Have a question answered once: a hundred thousand flows ask the same few hundred."""

    def answer(self: World, name: str) -> R:
        answers = self._answers[question]
        if name not in answers:
            answers[name] = question(self, name)
        return cast("R", answers[name])

    answer.__doc__ = question.__doc__
    return answer


@dataclass(frozen=True, slots=True)
class World:
    """What a rule may look at besides the flow."""

    project: Project
    facts: Facts
    _answers: dict[Callable[..., Any], dict[str, Any]] = field(
        default_factory=lambda: defaultdict(dict), repr=False, compare=False
    )

    @_remembered
    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        drawn = self.project.network_named(network)
        return drawn.key if drawn else network

    @_remembered
    def is_internal(self, network: str) -> bool:
        """Whether a network is meant to be internal: by the file, or by the engine where the file only borrows it."""
        drawn = self.project.network_named(network)
        if drawn and not drawn.external:
            return drawn.internal
        fact = self.facts.network(network)
        return bool(fact and fact.internal)

    @_remembered
    def driver(self, network: str) -> str:
        """Return the driver of a network."""
        fact, drawn = self.facts.network(network), self.project.network_named(network)
        return fact.driver if fact else drawn.driver if drawn else "bridge"

    @_remembered
    def is_borrowed(self, network: str) -> bool:
        """Whether the network belongs to others too: the file says so (`external`), or it is the engine's own."""
        drawn = self.project.network_named(network)
        return drawn.external if drawn else network == DEFAULT_BRIDGE

    @_remembered
    def seats(self, place: str) -> tuple[str, ...]:
        """Return the networks on which the file puts a place; a stranger sits only where the file invites others."""
        if not place.startswith(STRANGER):
            return self.project.seats(place)
        name = place.removeprefix(STRANGER)
        held = [seat.network for c in self.facts.containers if c.name == name for seat in c.attachments]
        return tuple(network for network in held if self.is_borrowed(network))

    @_remembered
    def way_out(self, place: str) -> str:
        """Return the network that carries a container's default route, empty where there is none.

        Docker takes them by priority, prefers one that has IPv6, and then goes by name:
        https://docs.docker.com/engine/network/#connecting-to-multiple-networks
        """
        order = sorted(
            (self.is_internal(n), -self._priority(place, n), not self.speaks_ipv6(n), n) for n in self.seats(place)
        )
        return order[0][-1] if order else ""

    def _priority(self, place: str, network: str) -> int:
        return self.project.priority(place, network) if self.facts.engine.release >= GATEWAY_PRIORITY else 0

    @_remembered
    def has_default_route(self, place: str) -> bool:
        """Whether a container has a route to what is on none of its networks; it may still end at a wall."""
        way = self.way_out(place)
        routed = self.facts.engine.release < INTERNAL_WITHOUT_ROUTE
        return bool(way) and (routed or not self.is_internal(way))

    @_remembered
    def gateway_mode(self, network: str) -> str:
        """Return how a network is joined to the rest of the world; `nat` is the rule."""
        told = self._option(network, GATEWAY_MODE) or NAT
        return told if self.facts.engine.release >= GATEWAY_MODES else NAT

    @_remembered
    def gateway_mode_v6(self, network: str) -> str:
        """Return how a network is joined to the rest of the world over IPv6."""
        told = self._option(network, GATEWAY_MODE_V6) or NAT
        return told if self.facts.engine.release >= GATEWAY_MODES else NAT

    def is_isolated(self, network: str) -> bool:
        """Whether the host itself has no address on a network."""
        return self.is_internal(network) and self.gateway_mode(network) == ISOLATED

    def trusted_interfaces(self, network: str) -> str:
        """Return the host's interfaces behind which neighbours may route to published ports, if any."""
        told = self._option(network, TRUSTED) or ""
        return told if self.facts.engine.release >= TRUSTED_INTERFACES else ""

    @_remembered
    def seats_v6(self, place: str) -> tuple[str, ...]:
        """Return the networks on which the file gives a place an IPv6 address."""
        return tuple(network for network in self.seats(place) if self.speaks_ipv6(network))

    @_remembered
    def speaks_ipv6(self, network: str) -> bool:
        """Whether a network is meant to have IPv6: by the file, or by the engine where the file only borrows it."""
        drawn, fact = self.project.network_named(network), self.facts.network(network)
        if drawn and not drawn.external:
            return drawn.ipv6
        return fact is not None and any(":" in subnet for subnet in fact.subnets)

    @_remembered
    def owner(self, place: str) -> str:
        """Return the service in whose namespace a place lives."""
        return self.project.owner(place)

    @_remembered
    def is_at_home(self, place: str) -> bool:
        """Whether a place is the host, or a service that lives in the host's namespace."""
        service = self.project.services.get(self.owner(place))
        return place == HOST or bool(service and service.network_mode == HOST)

    @_remembered
    def has_icc_off(self, network: str) -> bool:
        """Whether a network is meant to keep its members apart: by the file, or by the engine where it is borrowed."""
        return self._option(network, ICC) == "false"

    @_remembered
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
        return any(not port.host_address or version_of(port.host_address) == version for port in self.ports(end))

    def opens(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` through its network: it does so through one alone."""
        return self.publishes(end) and end.network == self.way_out(end.place)

    def publishes_there(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` at that address and port of the host."""
        return any(
            port.host_address in (WILDCARD[version_of(end.address)], "", end.address)
            and port.host_port in (0, end.port)
            for port in self.ports(end)
        )

    def ports(self, end: Endpoint) -> list[Port]:
        """Return the ports of the file that lead to the service port of `end`."""
        service = self.project.services.get(end.place)
        ports = service.ports if service else ()
        return [port for port in ports if (port.target, port.protocol) == (end.service_port, end.protocol)]
