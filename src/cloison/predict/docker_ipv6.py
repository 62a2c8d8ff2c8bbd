"""The walls of Docker's bridges over IPv6, which are not those over IPv4.

Before Engine 27 the engine sets no IPv6 rule at all, makes the host forward, and masquerades nobody:
there are no walls, only missing routes. From 27 on its rules are those of IPv4
(https://docs.docker.com/engine/release-notes/27/#ipv6), and what is left of the difference is the
engine's proxy, which listens on the host's IPv6 addresses.

Measured on Engine 20.10, 26.1 and 28.5.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, LINK_LOCAL, OUTSIDE, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.predict.context import (
    NAT,
    Prediction,
    PredictionContext,
    PredictionRules,
    opened,
    shut,
    unfiltered,
    unknown,
)
from cloison.predict.docker_ipv4 import (
    ACCEPT,
    COMMON_RULES,
    DIRECT_ROUTING_CLOSED,
    DROP,
    UNKNOWN_VERSION,
    outside_to_host_namespace,
    published_to_all,
)

IPV6_RULES_SINCE: Final = (27, 0)
"""From here on the engine has IPv6 rules by itself: https://docs.docker.com/engine/release-notes/27/#ipv6"""
INTERNAL_IPV6_ROUTE_UNTIL: Final = (20, 10)
"""Up to here a container of an internal network has a default route over IPv6 all the same."""
NO_INTERNAL_IPV6_ROUTE_SINCE: Final = (26, 0)
"""From here on it has none."""
SEPARATE_IPV6_GATEWAY_SINCE: Final = (28, 0)
"""From here on IPv6 has a gateway of its own: https://docs.docker.com/engine/release-notes/28/"""


def ipv6_by_sysctl(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A sysctl of the file turns IPv6 on in a container, so that it has link-local addresses, or off.

    The engine sets `disable_ipv6` for a network without IPv6; runc applies the file's sysctls to all interfaces after
    that: https://docs.docker.com/reference/compose-file/services/#sysctls
    """
    end, place = flow.endpoint, flow.vantage.place
    off = next((p for p in (place, end.place) if context.ipv6_switch(p) == "1" and context.attached_networks_v6(p)), "")
    if off:
        return unknown(f"a sysctl of the file turns IPv6 off in {off}, which is not predicted")
    on_link = end.address.startswith(LINK_LOCAL) and end.network in context.attached_networks(place)
    if not (on_link and context.uses_host_namespace(end.place) and context.ipv6_switch(place) == "0"):
        return None
    label = context.label(end.network)
    return opened(f"a sysctl of the file gives {place} a link-local address on {label}, where the host has one, too")


def without_ipv6(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Who has no IPv6 address reaches none."""
    place = flow.vantage.place
    if place == OUTSIDE or context.uses_host_namespace(place) or context.attached_networks_v6(place):
        return None
    return shut(f"the file gives {place} no IPv6 address")


def other_modes(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Only the usual way in which a network is joined to the world is predicted."""
    networks = (
        flow.endpoint.network,
        *context.attached_networks(flow.vantage.place),
        *context.attached_networks(flow.endpoint.place),
    )
    modes = ((network, context.gateway_mode_v6(network)) for network in networks)
    unusual = next(((network, mode) for network, mode in modes if mode != NAT), None)
    return (
        unknown(f"{context.label(unusual[0])} is {unusual[1]} over IPv6, whose walls are not predicted")
        if unusual
        else None
    )


def from_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A neighbour reaches what is published, and without rules every container to which the host forwards."""
    if flow.vantage.place != OUTSIDE:
        return None
    if flow.endpoint.kind is EndpointKind.PUBLISHED:
        return opened(f"{published_to_all(flow.endpoint)}, over IPv6 too")
    return _not_in_file(context, flow) or _direct_routing(context, flow)


def _direct_routing(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict a packet that a neighbour routes to a container's own address: with rules, as over IPv4."""
    end, engine = flow.endpoint, context.facts.engine
    if not engine.filters_ipv6 or engine.release >= DIRECT_ROUTING_CLOSED:
        return _between(context, OUTSIDE, "a container's own IPv6 address")
    if context.is_internal(end.network):
        return shut(f"{context.label(end.network)} is internal")
    if context.publishes_via_network(end):
        return opened("before Engine 28 a published port also answers on the container's own IPv6 address")
    policies = {
        ACCEPT: opened("the host's IPv6 FORWARD policy is ACCEPT, so every container address can be routed to"),
        DROP: shut("the host forwards nothing to an unpublished port (IPv6 FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy_v6, unknown("the host's IPv6 FORWARD policy could not be read"))


def default_gateway_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A container has egress when it has a route that leads out."""
    if flow.endpoint.place != OUTSIDE:
        return None
    return _filtered(context, flow, _routed(context, flow, "has egress over IPv6"))


def to_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """The host answers on all of its addresses, for whoever has a route to it."""
    end = flow.endpoint
    if not context.uses_host_namespace(end.place):
        return None
    if end.network in context.attached_networks_v6(flow.vantage.place):
        return opened(f"the host has an IPv6 address on {context.label(end.network)}, internal or not")
    if end.address.startswith(LINK_LOCAL):
        return shut(f"the file gives {flow.vantage.place} no IPv6 address on {context.label(end.network)}")
    return _routed(context, flow, "reaches all addresses of the host")


def to_published(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A published port is a door for the containers of other networks too: the engine's proxy takes them in.

    From an internal network it does so only where no rule leads the packet past it, to the IPv6 address by
    which the container is published: that one lies behind another wall.
    """
    end, source = flow.endpoint, flow.vantage.place
    if end.kind is not EndpointKind.PUBLISHED:
        return None
    local_networks = [
        n
        for n in context.attached_networks_v6(source)
        if (fact := context.facts.network(n)) and fact.contains(end.address)
    ]
    has_dnat = any(not context.is_internal(network) for network in context.attached_networks_v6(end.place))
    if not local_networks:
        route = _routed(context, flow, "reaches the published port")
        return _filtered(context, flow, route) if has_dnat else route
    label = context.label(local_networks[0])
    if context.facts.engine.filters_ipv6 and context.is_internal(local_networks[0]) and has_dnat:
        return shut(f"{source} gets there over {label}, which is internal")
    return opened(f"the engine's proxy answers on the host's address of {label}")


def over_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """On one bridge everything is open; between two bridges it is what the engine's rules make of it."""
    end, source = flow.endpoint, flow.vantage.place
    if said := _not_in_file(context, flow):
        return said
    label = context.label(end.network)
    if end.network in context.attached_networks_v6(source):
        if context.has_icc_off(end.network):
            return unknown(f"{label} has inter-container communication off, which is known to leak")
        return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")
    said = _between(context, source, label)
    return _unfiltered_if_open(_routed(context, flow, said.rule)) if said.is_unfiltered else said


def _unfiltered_if_open(route: Prediction) -> Prediction:
    """Return what a route comes to where no wall stands at its end."""
    return unfiltered(route.rule) if route.reach is Reach.OPEN else route


def _not_in_file(context: PredictionContext, flow: Flow) -> Prediction | None:
    end = flow.endpoint
    if end.network in context.attached_networks_v6(end.place):
        return None
    if end.place.startswith(FOREIGN):
        return shut(f"the file does not know {end.place.removeprefix(FOREIGN)}")
    if not end.network:
        return shut(f"the file does not put {end.place} into the host's namespace")
    return shut(f"the file gives {end.place} no IPv6 address on {context.label(end.network)}")


def _between(context: PredictionContext, source: str, target: str) -> Prediction:
    """Predict what the host does with an IPv6 packet that comes in by one link and goes out by another."""
    if context.facts.engine.release == UNKNOWN_VERSION:
        return unknown("the engine does not tell its version, and Engine 27 moved this wall")
    if context.facts.engine.filters_ipv6:
        return shut(f"the engine's IPv6 rules let nothing pass from {source} to {target}")
    if context.facts.engine.forward_policy_v6 == DROP:
        return unknown("the engine sets no IPv6 rules, and what others set is not predicted (FORWARD policy DROP)")
    return unfiltered(f"the engine sets no IPv6 rules, and the host forwards from {source} to {target}")


def _routed(context: PredictionContext, flow: Flow, what: str) -> Prediction:
    """Predict a packet that takes the default route of a container."""
    source, release = flow.vantage.place, context.facts.engine.release
    if release == UNKNOWN_VERSION:
        return unknown("the engine does not tell its version, and Engine 28 chose the IPv6 route anew")
    route = _default_gateway_network(context, source)
    if not route:
        return shut(f"{source} has no default route over IPv6")
    if not context.is_internal(route):
        return opened(f"{context.label(route)} is not internal, so {source} has a route over IPv6: {what}")
    if INTERNAL_IPV6_ROUTE_UNTIL < release < NO_INTERNAL_IPV6_ROUTE_SINCE:
        return unknown("whether an internal network has a default route over IPv6 depends on the engine's version")
    if release >= NO_INTERNAL_IPV6_ROUTE_SINCE:
        return shut(f"{context.label(route)} is internal, so {source} has no route over IPv6")
    return unfiltered(f"before Engine 26 an internal network has a default route over IPv6 too: {what}")


def _filtered(context: PredictionContext, flow: Flow, route: Prediction) -> Prediction:
    """Return what the engine's rules leave of a way out of an internal network, where it has rules for IPv6."""
    if not (route.is_unfiltered and context.facts.engine.filters_ipv6):
        return route
    return shut(f"the engine's IPv6 rules let nothing of {flow.vantage.place} out of its internal networks")


def _default_gateway_network(context: PredictionContext, place: str) -> str:
    """Return the network that carries a container's default route over IPv6.

    Before Engine 28 one network carries it for both versions of IP, and where that network has no IPv6, nothing does.
    """
    if context.facts.engine.release >= SEPARATE_IPV6_GATEWAY_SINCE:
        attached_networks = sorted(context.attached_networks_v6(place))
        return next(
            (n for n in attached_networks if not context.is_internal(n)),
            attached_networks[0] if attached_networks else "",
        )
    route = context.default_gateway_network(place)
    return route if context.speaks_ipv6(route) else ""


RULES: Final[PredictionRules] = (
    *COMMON_RULES,
    ipv6_by_sysctl,
    without_ipv6,
    other_modes,
    outside_to_host_namespace,
    from_outside,
    default_gateway_network,
    to_host,
    to_published,
    over_network,
)
