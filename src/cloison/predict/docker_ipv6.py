"""The rules that predict flows over Docker's bridges and IPv6.

Input: a `PredictionContext` and a flow. Output: a `Prediction`, or None when a rule does not apply.
Rule: `RULES` is read in order and the first prediction decides.

Before Engine 27 the engine sets no IPv6 rules, enables forwarding on the host and does not masquerade: nothing
is filtered, and only missing routes close a flow. Since Engine 27 its IPv6 rules are those of IPv4
(https://docs.docker.com/engine/release-notes/27/#ipv6), and the remaining difference is docker-proxy, which
listens on the host's IPv6 addresses. Measured on Engine 20.10, 26.1 and 28.5.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, LINK_LOCAL, OUTSIDE, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.predict.common_rules import (
    ACCEPT,
    COMMON_RULES,
    DROP,
    UNKNOWN_VERSION,
    outside_to_host_namespace,
    published_to_all,
)
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
from cloison.predict.docker_ipv4 import DIRECT_ROUTING_CLOSED

IPV6_RULES_SINCE: Final = (27, 0)
"""Since this version the engine sets IPv6 rules by default: https://docs.docker.com/engine/release-notes/27/#ipv6"""
SYSCTL_AFTER_INTERFACES: Final = (26, 1)
"""Up to this version a sysctl of the file turns IPv6 on where the engine has turned it off."""
SYSCTL_BEFORE_INTERFACES: Final = (28, 5)
"""Since this version the engine has the last word."""
INTERNAL_IPV6_ROUTE_UNTIL: Final = (20, 10)
"""Up to this version a container of an internal network has a default route over IPv6."""
NO_INTERNAL_IPV6_ROUTE_SINCE: Final = (26, 0)
"""Since this version it has none."""
SEPARATE_IPV6_GATEWAY_SINCE: Final = (28, 0)
"""Since this version IPv6 has its own gateway network: https://docs.docker.com/engine/release-notes/28/"""


def ipv6_by_sysctl(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A sysctl of the file turns IPv6 on in a container, so that it has link-local addresses, or off.

    The engine sets `disable_ipv6` for a network without IPv6. Up to Engine 26.1 runc applies the file's sysctls to all
    interfaces after that, since 28.5 before that (both measured, between them not):
    https://docs.docker.com/reference/compose-file/services/#sysctls
    """
    end, place = flow.endpoint, flow.vantage.place
    off = next((p for p in (place, end.place) if context.ipv6_switch(p) == "1" and context.attached_networks_v6(p)), "")
    if off:
        return unknown(f"a sysctl of the file turns IPv6 off in {off}, which is not predicted")
    on_link = end.address.startswith(LINK_LOCAL) and end.network in context.attached_networks(place)
    if not (on_link and context.uses_host_namespace(end.place) and context.ipv6_switch(place) == "0"):
        return None
    release, label = context.facts.engine.release, context.label(end.network)
    if release >= SYSCTL_BEFORE_INTERFACES:
        return None
    if not UNKNOWN_VERSION < release <= SYSCTL_AFTER_INTERFACES:
        return unknown(f"a sysctl of the file may give {place} a link-local address on {label}: engines differ")
    return opened(f"a sysctl of the file gives {place} a link-local address on {label}, where the host has one, too")


def without_ipv6(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close every flow of a vantage without an IPv6 address."""
    place = flow.vantage.place
    if place == OUTSIDE or context.uses_host_namespace(place) or context.attached_networks_v6(place):
        return None
    return shut(f"{place} has no IPv6 address in the file")


def other_modes(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Leave networks with another gateway mode than `nat` unknown."""
    networks = (
        flow.endpoint.network,
        *context.attached_networks(flow.vantage.place),
        *context.attached_networks(flow.endpoint.place),
    )
    modes = ((network, context.gateway_mode_v6(network)) for network in networks)
    unusual = next(((network, mode) for network, mode in modes if mode != NAT), None)
    return (
        unknown(f"{context.label(unusual[0])} is {unusual[1]} over IPv6, which is not predicted") if unusual else None
    )


def from_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open published ports to other machines, and without IPv6 rules every container that the host forwards to."""
    if flow.vantage.place != OUTSIDE:
        return None
    if flow.endpoint.kind is EndpointKind.PUBLISHED:
        return opened(f"{published_to_all(flow.endpoint)}, over IPv6 too")
    return _not_in_file(context, flow) or _direct_routing(context, flow)


def _direct_routing(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict a packet that another machine routes to a container's address: with IPv6 rules, as over IPv4."""
    end, engine = flow.endpoint, context.facts.engine
    if not engine.filters_ipv6 or engine.release >= DIRECT_ROUTING_CLOSED:
        return _between(context, OUTSIDE, "a container's IPv6 address")
    if context.is_internal(end.network):
        return shut(f"{context.label(end.network)} is internal")
    if context.publishes_via_network(end):
        return unfiltered("before Engine 28 a published port is also open on the container's IPv6 address")
    policies = {
        ACCEPT: unfiltered("the host's IPv6 FORWARD policy is ACCEPT, so every container address is routable"),
        DROP: shut("the host does not forward packets to an unpublished port (IPv6 FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy_v6, unknown("the host's IPv6 FORWARD policy could not be read"))


def default_gateway_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open the outside to a container with a default route, unless IPv6 rules drop its packets."""
    if flow.endpoint.place != OUTSIDE:
        return None
    return _filtered(context, flow, _routed(context, flow, "has egress over IPv6"))


def to_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open the host's addresses to a container that has a route to them."""
    end = flow.endpoint
    if not context.uses_host_namespace(end.place):
        return None
    if end.network in context.attached_networks_v6(flow.vantage.place):
        return opened(f"the host has an IPv6 address on {context.label(end.network)}, internal or not")
    if end.address.startswith(LINK_LOCAL):
        return shut(f"{flow.vantage.place} has no IPv6 address on {context.label(end.network)} in the file")
    return _routed(context, flow, "reaches all addresses of the host")


def to_published(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open published ports to the containers of other networks: docker-proxy accepts their connections.

    From an internal network it does so only where no DNAT rule redirects the packet to the container's IPv6
    address: the isolation rules drop a redirected packet.
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
        return shut(f"{source} connects over {label}, which is internal")
    return opened(f"docker-proxy listens on the host's address on {label}")


def over_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open everything on one bridge; between two bridges the engine's IPv6 rules decide."""
    end, source = flow.endpoint, flow.vantage.place
    if missing := _not_in_file(context, flow):
        return missing
    label = context.label(end.network)
    if end.network in context.attached_networks_v6(source):
        if context.has_icc_off(end.network):
            return unknown(f"{label} has inter-container communication off, which is known to be incomplete")
        return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")
    filtered = _between(context, source, label)
    return _unfiltered_if_open(_routed(context, flow, filtered.rule)) if filtered.is_unfiltered else filtered


def _unfiltered_if_open(route: Prediction) -> Prediction:
    """Return the prediction of a route whose packets no rule filters."""
    return unfiltered(route.rule) if route.reach is Reach.OPEN else route


def _not_in_file(context: PredictionContext, flow: Flow) -> Prediction | None:
    end = flow.endpoint
    if end.network in context.attached_networks_v6(end.place):
        return None
    if end.place.startswith(FOREIGN):
        return shut(f"{end.place.removeprefix(FOREIGN)} is not in the file")
    if not end.network:
        return shut(f"{end.place} is not in the host's namespace in the file")
    return shut(f"{end.place} has no IPv6 address on {context.label(end.network)} in the file")


def _between(context: PredictionContext, source: str, target: str) -> Prediction:
    """Predict how the host handles an IPv6 packet between two of its interfaces."""
    if context.facts.engine.release == UNKNOWN_VERSION:
        return unknown("the engine does not report its version, and Engine 27 changed this rule")
    if context.facts.engine.filters_ipv6:
        return shut(f"the engine's IPv6 rules drop packets from {source} to {target}")
    if context.facts.engine.forward_policy_v6 == DROP:
        return unknown("the engine sets no IPv6 rules, and other rules are not predicted (FORWARD policy DROP)")
    return unfiltered(f"the engine sets no IPv6 rules, and the host forwards from {source} to {target}")


def _routed(context: PredictionContext, flow: Flow, what: str) -> Prediction:
    """Predict a packet that takes the default route of a container."""
    source, release = flow.vantage.place, context.facts.engine.release
    if release == UNKNOWN_VERSION:
        return unknown("the engine does not report its version, and Engine 28 changed the IPv6 route")
    route = _default_gateway_network(context, source)
    if not route:
        return shut(f"{source} has no default route over IPv6")
    if not context.is_internal(route):
        return opened(f"{context.label(route)} is not internal, so {source} has a default route over IPv6: {what}")
    if INTERNAL_IPV6_ROUTE_UNTIL < release < NO_INTERNAL_IPV6_ROUTE_SINCE:
        return unknown("whether an internal network has a default route over IPv6 depends on the engine's version")
    if release >= NO_INTERNAL_IPV6_ROUTE_SINCE:
        return shut(f"{context.label(route)} is internal, so {source} has no default route over IPv6")
    return unfiltered(f"before Engine 26 an internal network also has a default route over IPv6: {what}")


def _filtered(context: PredictionContext, flow: Flow, route: Prediction) -> Prediction:
    """Return the prediction of a route from an internal network after the engine's IPv6 rules, if it sets any."""
    if not (route.is_unfiltered and context.facts.engine.filters_ipv6):
        return route
    return shut(f"the engine's IPv6 rules drop packets of {flow.vantage.place} that leave its internal networks")


def _default_gateway_network(context: PredictionContext, place: str) -> str:
    """Return the network that carries a container's default route over IPv6.

    Before Engine 28 one network carries it for both versions of IP; if that network has no IPv6, there is none.
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
