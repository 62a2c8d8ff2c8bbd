"""The walls of Docker's bridges over IPv4, and what holds over either version of IP.

Behaviour: https://docs.docker.com/engine/network/packet-filtering-firewalls/, measured on Engine 20.10, 26.1 and 28.5;
version gates carry their own source.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, HOST, OUTSIDE, Endpoint, EndpointKind, Flow
from cloison.predict.context import (
    ROUTED,
    UNPROTECTED,
    Prediction,
    PredictionContext,
    PredictionRules,
    opened,
    shut,
    unknown,
)

UNKNOWN_VERSION: Final = (0, 0)
DIRECT_ROUTING_CLOSED: Final = (28, 0)
"""From here on a container's address answers no remote machine: https://github.com/moby/moby/pull/48724"""
ROUTED_BETWEEN_NETWORKS: Final = (28, 0)
"""From here on routed networks let in other networks of the host: https://github.com/moby/moby/pull/48596"""
ROUTED_ON_ALL_NETWORKS: Final = (29, 0)
"""From here on, it is said, a routed network need not be the gateway: https://github.com/moby/moby/pull/50140"""
ACCEPT: Final = "ACCEPT"
DROP: Final = "DROP"


def not_published(context: PredictionContext, flow: Flow) -> Prediction | None:
    """The file decides what is published; a container that is older than the file may publish more."""
    end = flow.endpoint
    if end.kind is not EndpointKind.PUBLISHED or context.publishes_at_address(end):
        return None
    return shut(f"the file does not publish {end.place}:{end.service_port} there")


def unmanaged_address(context: PredictionContext, flow: Flow) -> Prediction | None:
    """An address that the engine does not know, and that fits none of its owner's networks, is nobody's by the file."""
    end = flow.endpoint
    if end.network or (end.container, end.address) not in {
        (u.container, u.address) for u in context.facts.unmanaged_addresses
    }:
        return None
    return shut(f"neither the file nor the engine gives {end.place} the address {end.address}")


def routed_ports(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A routed network opens ports on its members' own addresses and none of the host's."""
    end = flow.endpoint
    gateway_network = context.default_gateway_network(end.place)
    if end.kind is not EndpointKind.PUBLISHED or not context.publishes_at_address(end):
        return None
    if context.is_internal(gateway_network) or context.gateway_mode(gateway_network) != ROUTED:
        return None
    return shut(f"{context.label(gateway_network)} is routed, so the host publishes nothing for {end.place}")


def same_namespace(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Two services in one network namespace are one machine to the network; the host's address is still another's."""
    source, target = flow.vantage.place, flow.endpoint.place
    if flow.endpoint.kind is EndpointKind.PUBLISHED:
        return None
    if source != target and source in context.project.services and target in context.project.services:
        owner = context.owner(source)
        if owner == context.owner(target):
            return opened(f"{source} and {target} live in the network namespace of {owner}")
    return None


def network_mode(context: PredictionContext, flow: Flow) -> Prediction | None:
    """`host` is the host itself, `none` is nowhere, and `container:NAME` is somewhere the file does not tell."""
    place = flow.vantage.place
    service = context.project.services.get(context.owner(place))
    if service is None or not service.network_mode:
        return None
    modes = {
        "none": shut(f"{place} has network_mode none"),
        "host": opened(f"{place} has network_mode host, and nothing holds the host back"),
        "container": unknown(f"{place} lives in the namespace of a container that the file does not know"),
    }
    mode = service.network_mode.partition(":")[0]
    network = flow.endpoint.network
    if mode == "host" and network and (context.driver(network) != "bridge" or context.is_isolated(network)):
        return None  # the host is on every bridge that is not isolated, and not on every network
    return modes.get(mode)


def other_drivers(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Only bridges are predicted."""
    for network in (*filter(None, [flow.endpoint.network]), *context.attached_networks(flow.vantage.place)):
        driver = context.driver(network)
        if not driver:
            return unknown(f"{context.label(network)} is external, and the file does not tell what it is")
        if driver != "bridge":
            return unknown(f"{context.label(network)} uses the driver {driver}, whose walls are not predicted")
    return None


def from_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """The host has an address on every bridge and publishes the ports itself."""
    if flow.vantage.place != HOST:
        return None
    if context.uses_host_namespace(flow.endpoint.place):
        return opened(f"{flow.endpoint.place} has network_mode host, so the host is where it is")
    if flow.endpoint.kind is EndpointKind.PUBLISHED:
        return opened("the host publishes the port on this address")
    if flow.endpoint.place == OUTSIDE:
        return opened("the host is a neighbour of the outside")
    if context.is_isolated(flow.endpoint.network):
        return shut(f"{context.label(flow.endpoint.network)} is isolated: the host has no address on it")
    is_in_file = flow.endpoint.network in context.attached_networks(flow.endpoint.place)
    return opened("the host has an address on every bridge") if is_in_file else not_in_file(context, flow)


def outside_to_host_namespace(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A neighbour reaches who lives in the host's own namespace."""
    place = flow.endpoint.place
    if flow.vantage.place != OUTSIDE or not context.uses_host_namespace(place):
        return None
    return opened(f"{place} has network_mode host, and no rule of the engine's stands before the host")


def published_to_all(endpoint: Endpoint) -> str:
    """Say that a port of the host is published on more than loopback; 0 is one that the engine has yet to choose."""
    return f"{f'port {endpoint.port}' if endpoint.port else 'a port'} of the host is published for everyone"


def from_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A neighbour reaches what is published, and before Engine 28 the published port of a container directly."""
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
    """Predict a packet that a neighbour routes to a container's own address through the host."""
    end, engine = flow.endpoint, context.facts.engine
    label, mode = context.label(end.network), context.gateway_mode(end.network)
    if engine.release == UNKNOWN_VERSION:
        return unknown("the engine does not tell its version, and Engine 28 moved this wall")
    if mode == UNPROTECTED:
        return opened(f"{label} is nat-unprotected, so every port of its members can be routed to")
    if mode == ROUTED and context.publishes(end):
        return _routed(context, flow)
    if engine.release >= DIRECT_ROUTING_CLOSED:
        return _direct_routing_filtered(context, flow)
    if context.publishes_via_network(end):
        return opened("before Engine 28 a published port also answers on the container's own address")
    policies = {
        ACCEPT: opened("the host's FORWARD policy is ACCEPT, so every container address can be routed to"),
        DROP: shut("the host forwards nothing to an unpublished port (FORWARD policy DROP)"),
    }
    return policies.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


def _routed(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict a published port of a routed network, asked from elsewhere."""
    end = flow.endpoint
    label = context.label(end.network)
    if context.publishes_via_network(end):
        return opened(f"{label} is routed, so a published port answers on the container's own address")
    if context.facts.engine.release >= ROUTED_ON_ALL_NETWORKS:
        return unknown(f"{label} is routed and not the gateway of {end.place}, and Engine 29 moves this wall")
    return shut(
        f"{label} is routed, and {end.place} publishes through "
        f"{context.label(context.default_gateway_network(end.place))}"
    )


def _direct_routing_filtered(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict the same on an engine that closes the way to a container's own address."""
    end = flow.endpoint
    if context.publishes_via_network(end) and not context.facts.engine.guards_addresses:
        return opened(
            "the engine allows direct routing, so a published port also answers on the container's own address"
        )
    if context.publishes_via_network(end) and (trusted := context.trusted_interfaces(end.network)):
        return unknown(f"{context.label(end.network)} trusts {trusted}, and the outside may stand somewhere else")
    return shut("Engine 28 and later drops what is routed to a container from outside")


def to_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A container has egress when one of its networks is not internal."""
    if flow.endpoint.place != OUTSIDE:
        return None
    gateway_network = context.default_gateway_network(flow.vantage.place)
    if not gateway_network:
        return shut(f"the file gives {flow.vantage.place} no network")
    if context.is_internal(gateway_network):
        return shut(f"every network of {flow.vantage.place} is internal")
    return opened(f"{context.label(gateway_network)} is not internal, so {flow.vantage.place} has egress")


def to_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Docker gives every bridge an address of the host's, internal or not, and the host answers on all it has."""
    end = flow.endpoint
    if not context.uses_host_namespace(end.place):
        return None
    attached_networks = context.attached_networks(flow.vantage.place)
    if end.network in attached_networks:
        return opened(f"the host has an address on {context.label(end.network)}, internal or not")
    where = host_address_text(context, end)
    if context.has_default_route(flow.vantage.place):
        return opened(f"the host answers on {where} for whoever has it as gateway")
    if attached_networks:
        return shut(f"every network of {flow.vantage.place} is internal, which from Engine 25 on is no way to {where}")
    return shut(f"the file gives {flow.vantage.place} no network")


def host_address_text(context: PredictionContext, end: Endpoint) -> str:
    """Say which address of the host's is meant."""
    return f"its address of {context.label(end.network)}" if end.network else "all of its addresses"


def to_published(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A published port is a door for containers as well, unless they come over an internal network."""
    end = flow.endpoint
    if end.kind is not EndpointKind.PUBLISHED:
        return None
    attached_networks = context.attached_networks(flow.vantage.place)
    local_networks = [n for n in attached_networks if (fact := context.facts.network(n)) and fact.contains(end.address)]
    gateway_network = local_networks[0] if local_networks else context.default_gateway_network(flow.vantage.place)
    if not gateway_network:
        return shut(f"the file gives {flow.vantage.place} no network")
    if context.is_internal(gateway_network):
        return shut(f"{flow.vantage.place} gets there over {context.label(gateway_network)}, which is internal")
    if context.default_gateway_network(end.place) != gateway_network and (
        why := _bypasses_proxy(context, gateway_network)
    ):
        return shut(f"{why}, so a published port leads straight to the container's own address, on another network")
    return opened("a published port is a door for the containers of other networks too")


def _bypasses_proxy(context: PredictionContext, gateway_network: str) -> str:
    """Return why the members of a network meet the packet filter at published ports, and no process of the engine's."""
    if not context.facts.engine.has_userland_proxy:
        return "the engine has no userland proxy"
    return "" if context.masquerades(gateway_network) else f"{context.label(gateway_network)} does not masquerade"


def over_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """On one bridge everything is open; between two bridges everything is shut."""
    end, source = flow.endpoint, flow.vantage.place
    label = context.label(end.network)
    if end.network not in context.attached_networks(end.place):
        return not_in_file(context, flow)
    if end.network not in context.attached_networks(source):
        if source.startswith(FOREIGN):
            return shut(f"the file does not know {source.removeprefix(FOREIGN)}")
        return _between_networks(context, flow)
    if context.has_icc_off(end.network):
        return unknown(f"{label} has inter-container communication off, which is known to leak")
    return opened(f"{source} and {end.place} share {label}, and Docker has no policy inside a network")


def _between_networks(context: PredictionContext, flow: Flow) -> Prediction:
    """Predict the way from one bridge to another: shut, but for the published ports of a routed network."""
    end, source = flow.endpoint, flow.vantage.place
    mode, release = context.gateway_mode(end.network), context.facts.engine.release
    gateway_network = context.default_gateway_network(source)
    can_leave = (
        bool(gateway_network) and not context.is_internal(gateway_network) and not context.is_internal(end.network)
    )
    if can_leave and mode == ROUTED and release >= ROUTED_BETWEEN_NETWORKS and context.publishes(end):
        return _routed(context, flow)
    return shut(f"the file does not put {source} on {context.label(end.network)}")


def not_in_file(context: PredictionContext, flow: Flow) -> Prediction:
    """Say that the file does not put the end of a flow where it was found."""
    end = flow.endpoint
    if end.place.startswith(FOREIGN):
        return shut(f"the file does not know {end.place.removeprefix(FOREIGN)}")
    if not end.network:
        return shut(f"the file does not put {end.place} into the host's namespace")
    return shut(f"the file does not put {end.place} on {context.label(end.network)}")


COMMON_RULES: Final[PredictionRules] = (
    not_published,
    unmanaged_address,
    same_namespace,
    network_mode,
    other_drivers,
    from_host,
)
"""What holds for both versions of IP."""
RULES: Final[PredictionRules] = (
    routed_ports,
    *COMMON_RULES,
    outside_to_host_namespace,
    from_outside,
    to_outside,
    to_host,
    to_published,
    over_network,
)
