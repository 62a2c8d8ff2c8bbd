"""The facts that a rule of the prediction may read: the Compose file and the engine's facts.

Input: a project and facts. Output: answers about networks, services and ports, each computed once.
Rule: nothing here depends on an observation. Where the file has a network that is not external, the file decides;
otherwise the engine's facts do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from cloison.compose.project import DEFAULT_BRIDGE, Port, Project
from cloison.model.facts import Facts
from cloison.model.flow import FOREIGN, HOST, WILDCARD, Endpoint, Flow, ip_version
from cloison.model.outcome import Reach

ICC: Final = "com.docker.network.bridge.enable_icc"
ISOLATE: Final = "isolate"
MASQUERADE: Final = "com.docker.network.bridge.enable_ip_masquerade"
GATEWAY_MODE: Final = "com.docker.network.bridge.gateway_mode_ipv4"
GATEWAY_MODE_V6: Final = "com.docker.network.bridge.gateway_mode_ipv6"
TRUSTED: Final = "com.docker.network.bridge.trusted_host_interfaces"
DISABLE_IPV6: Final = "net.ipv6.conf.all.disable_ipv6"
"""https://docs.kernel.org/networking/ip-sysctl.html"""
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


def _memoized(method: Callable[[PredictionContext, str], R]) -> Callable[[PredictionContext, str], R]:
    """Cache a method by its argument: a hundred thousand flows ask for the same few hundred answers."""

    def cached(self: PredictionContext, name: str) -> R:
        cache = self._cache[method]
        if name not in cache:
            cache[name] = method(self, name)
        return cast("R", cache[name])

    cached.__doc__ = method.__doc__
    return cached


@dataclass(frozen=True, slots=True)
class PredictionContext:
    """The project and the facts of one prediction."""

    project: Project
    facts: Facts
    _cache: dict[Callable[..., Any], dict[str, Any]] = field(
        default_factory=lambda: defaultdict(dict), repr=False, compare=False
    )

    @_memoized
    def label(self, network: str) -> str:
        """Return the file's name of a network where it has one."""
        file_network = self.project.network_named(network)
        return file_network.key if file_network else network

    @_memoized
    def is_internal(self, network: str) -> bool:
        """Whether a network is internal: by the file, or by the engine where it is external."""
        file_network = self.project.network_named(network)
        if file_network and not file_network.external:
            return file_network.internal
        fact = self.facts.network(network)
        return bool(fact and fact.internal)

    @_memoized
    def driver(self, network: str) -> str:
        """Return the driver of a network."""
        fact, file_network = self.facts.network(network), self.project.network_named(network)
        return fact.driver if fact else file_network.driver if file_network else "bridge"

    @_memoized
    def is_external(self, network: str) -> bool:
        """Whether a network may have foreign members: the file has it as `external`, or it is the default bridge."""
        file_network = self.project.network_named(network)
        return file_network.external if file_network else network == DEFAULT_BRIDGE

    @_memoized
    def attached_networks(self, place: str) -> tuple[str, ...]:
        """Return the networks to which the file attaches a place; a foreign container's are the external ones."""
        if not place.startswith(FOREIGN):
            return self.project.attached_networks(place)
        name = place.removeprefix(FOREIGN)
        attached = [attachment.network for c in self.facts.containers if c.name == name for attachment in c.attachments]
        return tuple(network for network in attached if self.is_external(network))

    @_memoized
    def default_gateway_network(self, place: str) -> str:
        """Return the network that carries a container's default route, empty where there is none.

        Docker takes them by priority, prefers one that has IPv6, and then goes by name:
        https://docs.docker.com/engine/network/#connecting-to-multiple-networks
        """
        order = sorted(
            (self.is_internal(n), -self._priority(place, n), not self.speaks_ipv6(n), n)
            for n in self.attached_networks(place)
        )
        return order[0][-1] if order else ""

    def _priority(self, place: str, network: str) -> int:
        return self.project.priority(place, network) if self.facts.engine.release >= GATEWAY_PRIORITY else 0

    @_memoized
    def has_default_route(self, place: str) -> bool:
        """Whether a container has a default route; a packet that takes it may still be dropped."""
        gateway_network = self.default_gateway_network(place)
        routed = self.facts.engine.release < INTERNAL_WITHOUT_ROUTE
        return bool(gateway_network) and (routed or not self.is_internal(gateway_network))

    @_memoized
    def gateway_mode(self, network: str) -> str:
        """Return the IPv4 gateway mode of a network, by default `nat`."""
        mode = self._option(network, GATEWAY_MODE) or NAT
        return mode if self.facts.engine.release >= GATEWAY_MODES else NAT

    @_memoized
    def gateway_mode_v6(self, network: str) -> str:
        """Return the IPv6 gateway mode of a network, by default `nat`."""
        mode = self._option(network, GATEWAY_MODE_V6) or NAT
        return mode if self.facts.engine.release >= GATEWAY_MODES else NAT

    def is_isolated(self, network: str) -> bool:
        """Whether the host itself has no address on a network."""
        return self.is_internal(network) and self.gateway_mode(network) == ISOLATED

    def trusted_interfaces(self, network: str) -> str:
        """Return the host's interfaces whose neighbours may route to published ports, empty for none."""
        mode = self._option(network, TRUSTED) or ""
        return mode if self.facts.engine.release >= TRUSTED_INTERFACES else ""

    @_memoized
    def attached_networks_v6(self, place: str) -> tuple[str, ...]:
        """Return the networks on which the file gives a place an IPv6 address."""
        return tuple(network for network in self.attached_networks(place) if self.speaks_ipv6(network))

    @_memoized
    def speaks_ipv6(self, network: str) -> bool:
        """Whether a network has IPv6: by the file, or by the engine where it is external."""
        file_network, fact = self.project.network_named(network), self.facts.network(network)
        if file_network and not file_network.external:
            return file_network.ipv6
        return fact is not None and any(":" in subnet for subnet in fact.subnets)

    @_memoized
    def owner(self, place: str) -> str:
        """Return the service that owns the network namespace of a place."""
        return self.project.owner(place)

    @_memoized
    def uses_host_namespace(self, place: str) -> bool:
        """Whether a place is the host, or a service with `network_mode: host`."""
        service = self.project.services.get(self.owner(place))
        return place == HOST or bool(service and service.network_mode == HOST)

    @_memoized
    def ipv6_switch(self, place: str) -> str:
        """Return the value of `disable_ipv6` that the file sets in the namespace of a place, empty where it sets none.

        `0` gives every interface a link-local address, whether its network has IPv6 or not.
        """
        service = self.project.services.get(self.owner(place))
        return service.sysctls.get(DISABLE_IPV6, "") if service else ""

    @_memoized
    def has_icc_off(self, network: str) -> bool:
        """Whether inter-container communication is off: by the file, or by the engine where the network is external."""
        return self._option(network, ICC) == "false"

    @_memoized
    def masquerades(self, network: str) -> bool:
        """Whether packets that leave a network get the host's address, which is the default."""
        return self._option(network, MASQUERADE) != "false"

    def _option(self, network: str, name: str) -> str | None:
        file_network, fact = self.project.network_named(network), self.facts.network(network)
        options = (
            file_network.options if file_network and not file_network.external else dict(fact.options) if fact else {}
        )
        return options.get(name)

    def publishes(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end`, over its version of IP."""
        version = ip_version(end.address)
        return any(not port.host_address or ip_version(port.host_address) == version for port in self.ports(end))

    def publishes_via_network(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` through its network, the default gateway's."""
        return self.publishes(end) and end.network == self.default_gateway_network(end.place)

    def publishes_at_address(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` at that address and port of the host."""
        return any(
            port.host_address in (WILDCARD[ip_version(end.address)], "", end.address)
            and port.host_port in (0, end.port)
            for port in self.ports(end)
        )

    def ports(self, end: Endpoint) -> list[Port]:
        """Return the published ports of the file whose target is the service port of `end`."""
        service = self.project.services.get(end.place)
        ports = service.ports if service else ()
        return [port for port in ports if (port.target, port.protocol) == (end.service_port, end.protocol)]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction of one flow, and the rule in words."""

    reach: Reach
    rule: str
    is_unfiltered: bool = False
    """Whether it is open only because the engine sets no rule where the file expects isolation."""


def opened(rule: str) -> Prediction:
    """Predict open."""
    return Prediction(Reach.OPEN, rule)


def unfiltered(rule: str) -> Prediction:
    """Predict open where the file expects isolation and the engine sets no rule."""
    return Prediction(Reach.OPEN, rule, is_unfiltered=True)


def shut(rule: str) -> Prediction:
    """Predict shut."""
    return Prediction(Reach.SHUT, rule)


def unknown(rule: str) -> Prediction:
    """Predict unknown; `rule` says what is missing."""
    return Prediction(Reach.UNKNOWN, rule)


PredictionRules = Sequence[Callable[[PredictionContext, Flow], Prediction | None]]
"""Read from top to bottom; the first that returns a prediction decides."""
