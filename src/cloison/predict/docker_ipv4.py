"""The rules that predict flows over Docker's bridges and IPv4.

Input: a `PredictionContext` and a flow. Output: a `Prediction`, or None when a rule does not apply.
Rule: `RULES` is read in order and the first prediction decides; a fact that is missing gives unknown.
Sources: https://docs.docker.com/engine/network/packet-filtering-firewalls/, measured on Engine 20.10, 26.1 and 28.5;
version gates name their own.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, OUTSIDE, EndpointKind, Flow
from cloison.predict.common_rules import (
    ACCEPT,
    COMMON_RULES,
    DROP,
    UNKNOWN_VERSION,
    host_address_text,
    not_in_file,
    not_published,
    outside_to_host_namespace,
    published_to_all,
)
from cloison.predict.context import (
    ROUTED,
    UNPROTECTED,
    Prediction,
    PredictionContext,
    PredictionRules,
    opened,
    shut,
    unfiltered,
    unknown,
)

DIRECT_ROUTING_CLOSED: Final = (28, 0)
"""Since this version the engine drops packets that other machines route to a container's address:
https://github.com/moby/moby/pull/48724"""
ROUTED_BETWEEN_NETWORKS: Final = (28, 0)
"""Since this version a routed network accepts packets from other networks of the host:
https://github.com/moby/moby/pull/48596"""
ROUTED_ON_ALL_NETWORKS: Final = (29, 0)
"""Since this version, by its pull request, a routed network publishes without being the gateway:
https://github.com/moby/moby/pull/50140"""


def routed_ports(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close the published port of a routed network, which opens ports on its members' addresses only."""
    end = flow.endpoint
    gateway_network = context.default_gateway_network(end.place)
    if end.kind is not EndpointKind.PUBLISHED or not context.publishes_at_address(end):
        return None
    if context.is_internal(gateway_network) or context.gateway_mode(gateway_network) != ROUTED:
        return None
    return shut(f"{context.label(gateway_network)} is routed, so the host publishes nothing for {end.place}")


def strict_reverse_path(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Leave a published port unknown where a sysctl of the file may make its container drop the packets.

    The host connects from its address on one network of the container, and the packets arrive over another one.
    """
    end = flow.endpoint
    if end.kind is not EndpointKind.PUBLISHED or not context.filters_by_reverse_path(end.place):
        return None
    local = context.networks_around(end.place, end.address)
    if not local or local[0] == context.default_gateway_network(end.place):
        return None
    return unknown(f"a sysctl of the file makes {end.place} filter by the reverse path, which is not predicted")


def from_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open published ports to other machines; before Engine 28 also on the container's address."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if end.kind is EndpointKind.PUBLISHED:
        return opened(published_to_all(end))
    if end.network not in context.attached_networks(end.place):
        return not_in_file(context, flow)
    if context.is_internal(end.network):
        return shut(f"{context.label(end.network)} is internal")
    return _direct_routing(context, flow)


def _direct_routing(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict a packet that another machine routes to a container's address through the host."""
    end, engine = flow.endpoint, context.facts.engine
    label, mode = context.label(end.network), context.gateway_mode(end.network)
    if engine.release == UNKNOWN_VERSION:
        return unknown("the engine does not report its version, and Engine 28 changed this rule")
    if mode == UNPROTECTED:
        return opened(f"{label} is nat-unprotected, so every port of its members is routable")
    if mode == ROUTED and context.publishes(end):
        return _routed(context, flow)
    if engine.release >= DIRECT_ROUTING_CLOSED:
        return _direct_routing_filtered(context, flow)
    if context.publishes_via_network(end):
        return unfiltered("before Engine 28 a published port is also open on the container's address")
    policies = {
        ACCEPT: unfiltered("the host's FORWARD policy is ACCEPT, so every container address is routable"),
        DROP: shut("the host does not forward packets to an unpublished port (FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


def _routed(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict a published port of a routed network, from another network or the outside."""
    end = flow.endpoint
    label = context.label(end.network)
    if context.publishes_via_network(end):
        return opened(f"{label} is routed, so a published port is open on the container's address")
    if context.facts.engine.release >= ROUTED_ON_ALL_NETWORKS:
        return unknown(f"{label} is routed and not the gateway of {end.place}, and Engine 29 changed this rule")
    return shut(
        f"{label} is routed, and {end.place} publishes through "
        f"{context.label(context.default_gateway_network(end.place))}"
    )


def _direct_routing_filtered(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict the same on an engine that drops packets routed to a container's address."""
    end = flow.endpoint
    if context.publishes_via_network(end) and not context.facts.engine.guards_addresses:
        return unfiltered(
            "the engine allows direct routing, so a published port is also open on the container's address"
        )
    if context.publishes_via_network(end) and (trusted := context.trusted_interfaces(end.network)):
        return unknown(
            f"{context.label(end.network)} trusts {trusted}, and the outside may be behind another interface"
        )
    return shut("Engine 28 and later drop packets that are routed to a container from outside")


def to_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open the outside to a container that has a network which is not internal."""
    if flow.endpoint.place != OUTSIDE:
        return None
    gateway_network = context.default_gateway_network(flow.vantage.place)
    if not gateway_network:
        return shut(f"{flow.vantage.place} has no network in the file")
    if context.is_internal(gateway_network):
        return shut(f"every network of {flow.vantage.place} is internal")
    return opened(f"{context.label(gateway_network)} is not internal, so {flow.vantage.place} has egress")


def to_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open the host's addresses: the host has one on every bridge, internal or not, and answers on all of them."""
    end = flow.endpoint
    if not context.uses_host_namespace(end.place):
        return None
    attached_networks = context.attached_networks(flow.vantage.place)
    if end.network in attached_networks:
        return opened(f"the host has an address on {context.label(end.network)}, internal or not")
    where = host_address_text(context, end)
    if context.has_default_route(flow.vantage.place):
        return opened(f"the host answers on {where} to containers that have it as gateway")
    if attached_networks:
        return shut(f"every network of {flow.vantage.place} is internal, so since Engine 25 it has no route to {where}")
    return shut(f"{flow.vantage.place} has no network in the file")


def to_published(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open published ports to containers, unless they connect over an internal network."""
    end = flow.endpoint
    if end.kind is not EndpointKind.PUBLISHED:
        return None
    local_networks = context.networks_around(flow.vantage.place, end.address)
    gateway_network = local_networks[0] if local_networks else context.default_gateway_network(flow.vantage.place)
    if not gateway_network:
        return shut(f"{flow.vantage.place} has no network in the file")
    if context.is_internal(gateway_network):
        return shut(f"{flow.vantage.place} connects over {context.label(gateway_network)}, which is internal")
    if context.default_gateway_network(end.place) != gateway_network and (
        why := _bypasses_proxy(context, gateway_network)
    ):
        return shut(f"{why}, so a published port is forwarded to the container's address on another network")
    return opened("a published port is open to the containers of other networks too")


def _bypasses_proxy(context: PredictionContext, gateway_network: str) -> str:
    """Return why DNAT rules and not docker-proxy serve a network's members at published ports, empty if not so."""
    if not context.facts.engine.has_userland_proxy:
        return "the engine has no userland proxy"
    return "" if context.masquerades(gateway_network) else f"{context.label(gateway_network)} does not masquerade"


def over_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open everything on one bridge, close everything between two bridges."""
    end, source = flow.endpoint, flow.vantage.place
    label = context.label(end.network)
    if end.network not in context.attached_networks(end.place):
        return not_in_file(context, flow)
    if end.network not in context.attached_networks(source):
        if source.startswith(FOREIGN):
            return shut(f"{source.removeprefix(FOREIGN)} is not in the file")
        return _between_networks(context, flow)
    if context.has_icc_off(end.network):
        return unknown(f"{label} has inter-container communication off, which is known to be incomplete")
    return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")


def _between_networks(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict a flow between two bridges: closed, except for the published ports of a routed network."""
    end, source = flow.endpoint, flow.vantage.place
    mode, release = context.gateway_mode(end.network), context.facts.engine.release
    gateway_network = context.default_gateway_network(source)
    can_leave = (
        bool(gateway_network) and not context.is_internal(gateway_network) and not context.is_internal(end.network)
    )
    if can_leave and mode == ROUTED and release >= ROUTED_BETWEEN_NETWORKS and context.publishes(end):
        return _routed(context, flow)
    return shut(f"{source} is not on {context.label(end.network)} in the file")


RULES: Final[PredictionRules] = (
    routed_ports,
    not_published,
    strict_reverse_path,
    *COMMON_RULES,
    outside_to_host_namespace,
    from_outside,
    to_outside,
    to_host,
    to_published,
    over_network,
)
