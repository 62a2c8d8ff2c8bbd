"""The context of a prediction rule: the Compose file, the engine's facts, and questions about both, memoized.

Input: a `Project` and `Facts`. Output: `PredictionContext`, and the `Prediction` values that rules return.
Rule: the Compose file decides about the project's own networks, the engine about external ones.
Sources: the options of bridges, https://docs.docker.com/engine/network/drivers/bridge/; version gates name their own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

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
RP_FILTER: Final = re.compile(r"net\.ipv4\.conf\.[^.]+\.rp_filter")
"""Whether a packet is dropped whose source is not routed over the interface that it arrives on: RFC 3704."""
STRICT: Final = "1"
NAT: Final = "nat"
UNPROTECTED: Final = "nat-unprotected"
ROUTED: Final = "routed"
ISOLATED: Final = "isolated"
INTERNAL_WITHOUT_ROUTE: Final = (25, 0)
"""Since this version an internal network gives its members no default route:
https://github.com/moby/moby/pull/46603"""
GATEWAY_MODES: Final = (27, 0)
"""Since this version a network has a gateway mode: https://github.com/moby/moby/pull/47871"""
GATEWAY_PRIORITY: Final = (28, 0)
"""Since this version `gw_priority` selects the gateway: https://github.com/moby/moby/pull/48936"""
TRUSTED_INTERFACES: Final = (28, 2)
"""Since this version a network may trust interfaces of the host: https://github.com/moby/moby/pull/49832"""


R = TypeVar("R")


def _memoized(method: Callable[[PredictionContext, str], R]) -> Callable[[PredictionContext, str], R]:
    """Memoize a method by its argument: a hundred thousand flows ask a few hundred questions."""

    def cached(self: PredictionContext, name: str) -> R:
        cache: dict[str, R] = self._cache[method]
        if name not in cache:
            cache[name] = method(self, name)
        return cache[name]

    cached.__doc__ = method.__doc__
    return cached


@dataclass(frozen=True, slots=True)
class PredictionContext:
    """The project and the facts that a rule reads besides the flow."""

    project: Project
    facts: Facts
    _cache: dict[Callable[..., Any], dict[str, Any]] = field(
        default_factory=lambda: defaultdict(dict), repr=False, compare=False
    )

    @_memoized
    def label(self, network: str) -> str:
        """Return the key of a network in the file, else its engine name."""
        file_network = self.project.network_named(network)
        return file_network.key if file_network else network

    @_memoized
    def is_internal(self, network: str) -> bool:
        """Whether a network is internal: by the file, or by the engine when the network is external."""
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
        """Whether the project does not own the network: it is `external` in the file, or the engine's default."""
        file_network = self.project.network_named(network)
        return file_network.external if file_network else network == DEFAULT_BRIDGE

    @_memoized
    def attached_networks(self, place: str) -> tuple[str, ...]:
        """Return the networks of a place by the file; a foreign container counts on external networks only."""
        if not place.startswith(FOREIGN):
            return self.project.attached_networks(place)
        name = place.removeprefix(FOREIGN)
        attached = [attachment.network for c in self.facts.containers if c.name == name for attachment in c.attachments]
        return tuple(network for network in attached if self.is_external(network))

    def networks_around(self, place: str, address: str) -> list[str]:
        """Return the networks of a place whose subnets contain an address."""
        attached = self.attached_networks(place)
        return [name for name in attached if (fact := self.facts.network(name)) and fact.contains(address)]

    @_memoized
    def default_gateway_network(self, place: str) -> str:
        """Return the network that carries a container's default route, empty where there is none.

        Docker orders them by priority, prefers one with IPv6, and then orders by name:
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
        """Return the gateway mode of a network over IPv6, `nat` by default."""
        mode = self._option(network, GATEWAY_MODE_V6) or NAT
        return mode if self.facts.engine.release >= GATEWAY_MODES else NAT

    def is_isolated(self, network: str) -> bool:
        """Whether the host has no address on a network: internal with the gateway mode `isolated`."""
        return self.is_internal(network) and self.gateway_mode(network) == ISOLATED

    def trusted_interfaces(self, network: str) -> str:
        """Return the host's interfaces whose neighbours may route to published ports, empty without any."""
        mode = self._option(network, TRUSTED) or ""
        return mode if self.facts.engine.release >= TRUSTED_INTERFACES else ""

    @_memoized
    def attached_networks_v6(self, place: str) -> tuple[str, ...]:
        """Return the networks on which a place has an IPv6 address by the file."""
        return tuple(network for network in self.attached_networks(place) if self.speaks_ipv6(network))

    @_memoized
    def speaks_ipv6(self, network: str) -> bool:
        """Whether a network has IPv6: by the file, or by the engine when the network is external."""
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
        """Whether a place is the host, or a service in the host's network namespace."""
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
    def filters_by_reverse_path(self, place: str) -> bool:
        """Whether a sysctl of the file sets a strict `rp_filter` in the namespace of a place."""
        service = self.project.services.get(self.owner(place))
        sysctls = service.sysctls.items() if service else ()
        return any(RP_FILTER.fullmatch(key) and value == STRICT for key, value in sysctls)

    @_memoized
    def has_icc_off(self, network: str) -> bool:
        """Whether inter-container communication is off: by the file, or by the engine when the network is external."""
        return self._option(network, ICC) == "false"

    @_memoized
    def masquerades(self, network: str) -> bool:
        """Whether packets that leave a network carry the host's address, the default."""
        return self._option(network, MASQUERADE) != "false"

    def _option(self, network: str, name: str) -> str | None:
        file_network, fact = self.project.network_named(network), self.facts.network(network)
        options = (
            file_network.options if file_network and not file_network.external else dict(fact.options) if fact else {}
        )
        return options.get(name)

    def publishes(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` over its version of IP."""
        version = ip_version(end.address)
        return any(not port.host_address or ip_version(port.host_address) == version for port in self.ports(end))

    def publishes_via_network(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` through its network, the one of the default gateway."""
        return self.publishes(end) and end.network == self.default_gateway_network(end.place)

    def publishes_at_address(self, end: Endpoint) -> bool:
        """Whether the file publishes the service port of `end` at its address and port of the host."""
        return any(
            port.host_address in (WILDCARD[ip_version(end.address)], "", end.address)
            and port.host_port in (0, end.port)
            for port in self.ports(end)
        )

    def ports(self, end: Endpoint) -> list[Port]:
        """Return the published ports of the file whose target is the service port of `end`."""
        return self._ports_by_target(end.place).get((end.service_port, end.protocol), [])

    @_memoized
    def _ports_by_target(self, place: str) -> dict[tuple[int, str], list[Port]]:
        """Return the published ports of a place by target and protocol: a range has thousands."""
        service = self.project.services.get(place)
        found: dict[tuple[int, str], list[Port]] = {}
        for port in service.ports if service else ():
            found.setdefault((port.target, port.protocol), []).append(port)
        return found


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted reach of one flow, and the rule as a sentence."""

    reach: Reach
    rule: str
    is_unfiltered: bool = False
    """Whether the flow is open only because the engine does not filter it, although the file separates its ends."""


def opened(rule: str) -> Prediction:
    """Return the prediction open."""
    return Prediction(Reach.OPEN, rule)


def unfiltered(rule: str) -> Prediction:
    """Return the prediction open for a flow that the file closes and the engine does not filter."""
    return Prediction(Reach.OPEN, rule, is_unfiltered=True)


def shut(rule: str) -> Prediction:
    """Return the prediction closed."""
    return Prediction(Reach.SHUT, rule)


def unknown(rule: str) -> Prediction:
    """Return the prediction unknown; `rule` says which fact is missing."""
    return Prediction(Reach.UNKNOWN, rule)


PredictionRules = Sequence[Callable[[PredictionContext, Flow], Prediction | None]]
"""Rules in order: the first that returns a prediction decides."""
