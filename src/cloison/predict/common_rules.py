"""The rules that predict flows alike over IPv4 and IPv6, and the sentences that several rule modules share.

Input: a `PredictionContext` and a flow. Output: a `Prediction`, or None when a rule does not apply.
Rule: `docker_ipv4`, `docker_ipv6` and `podman` put these rules into their own order.
Source: https://docs.docker.com/engine/network/drivers/, measured on Engine 20.10, 26.1 and 28.5.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, HOST, OUTSIDE, Endpoint, EndpointKind, Flow
from cloison.predict.context import Prediction, PredictionContext, PredictionRules, opened, shut, unknown

ACCEPT: Final = "ACCEPT"
DROP: Final = "DROP"
"""The policies of the FORWARD chain."""
UNKNOWN_VERSION: Final = (0, 0)
"""The release of an engine that does not report its version."""


def not_published(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close a published port that the file does not have; a container older than the file may publish more."""
    end = flow.endpoint
    if end.kind is not EndpointKind.PUBLISHED or context.publishes_at_address(end):
        return None
    return shut(f"the file does not publish {end.place}:{end.service_port} on this address")


def unmanaged_address(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close an unmanaged address that is in none of its container's networks."""
    end = flow.endpoint
    if end.network or (end.container, end.address) not in {
        (u.container, u.address) for u in context.facts.unmanaged_addresses
    }:
        return None
    return shut(f"neither the file nor the engine assigns {end.address} to {end.place}")


def same_namespace(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open the addresses of a service that shares the network namespace of the vantage; published ports differ."""
    source, target = flow.vantage.place, flow.endpoint.place
    if flow.endpoint.kind is EndpointKind.PUBLISHED:
        return None
    if source != target and source in context.project.services and target in context.project.services:
        owner = context.owner(source)
        if owner == context.owner(target) and not _is_in_other_replica(context, flow, owner):
            return opened(f"{source} and {target} share the network namespace of {owner}")
    return None


def _is_in_other_replica(context: PredictionContext, flow: Flow, owner: str) -> bool:
    """Whether both ends are in namespaces of two replicas of the owner: a service joins one of them only."""
    known = context.facts.network_namespaces
    ends = {known.get(flow.vantage.container, ""), known.get(flow.endpoint.container, "")}
    return len(ends) > 1 and ends <= {c.identity for c in context.facts.containers if c.service == owner}


def network_mode(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Predict a vantage by its network mode: `host` reaches what the host reaches, `none` reaches nothing."""
    place = flow.vantage.place
    service = context.project.services.get(context.owner(place))
    if service is None or not service.network_mode:
        return None
    modes = {
        "none": shut(f"{place} has network_mode none"),
        "host": opened(f"{place} has network_mode host, and the engine does not filter the host"),
        "container": unknown(f"{place} shares the namespace of a container that is not in the file"),
    }
    mode = service.network_mode.partition(":")[0]
    network = flow.endpoint.network
    if mode == "host" and network and (context.driver(network) != "bridge" or context.is_isolated(network)):
        return None  # the host has an address on every bridge that is not isolated, but not on other networks
    return modes.get(mode)


def other_drivers(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Leave networks with another driver than bridge unknown, where the flow depends on one.

    An address on a bridge of the vantage is on its link, so no other network of the vantage carries its packets.
    """
    end, on_link = flow.endpoint, flow.endpoint.network in context.attached_networks(flow.vantage.place)
    if on_link and context.driver(end.network) == "bridge" and end.kind is not EndpointKind.PUBLISHED:
        return None
    for network in (*filter(None, [end.network]), *context.attached_networks(flow.vantage.place)):
        driver = context.driver(network)
        if not driver:
            return unknown(f"{context.label(network)} is external, and the file does not give its driver")
        if driver != "bridge":
            return unknown(f"{context.label(network)} uses the driver {driver}, which is not predicted")
    return None


def from_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open what the host reaches: it has an address on every bridge and publishes the ports itself."""
    if flow.vantage.place != HOST:
        return None
    if context.uses_host_namespace(flow.endpoint.place):
        return opened(f"{flow.endpoint.place} has network_mode host, so it shares the host's namespace")
    if flow.endpoint.kind is EndpointKind.PUBLISHED:
        return opened("the host publishes the port on this address")
    if flow.endpoint.place == OUTSIDE:
        return opened("the host has a link to the outside")
    if context.is_isolated(flow.endpoint.network):
        return shut(f"{context.label(flow.endpoint.network)} is isolated: the host has no address on it")
    is_in_file = flow.endpoint.network in context.attached_networks(flow.endpoint.place)
    return opened("the host has an address on every bridge") if is_in_file else not_in_file(context, flow)


def outside_to_host_namespace(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open a service in the host's namespace to other machines."""
    place = flow.endpoint.place
    if flow.vantage.place != OUTSIDE or not context.uses_host_namespace(place):
        return None
    return opened(f"{place} has network_mode host, and the engine does not filter packets to the host")


def published_to_all(endpoint: Endpoint) -> str:
    """Return the rule of a port published beyond loopback; the engine has yet to choose port 0."""
    if endpoint.port and endpoint.last_port:
        last = endpoint.port + endpoint.last_port - endpoint.service_port
        return f"ports {endpoint.port}-{last} of the host are published to every machine"
    return f"{f'port {endpoint.port}' if endpoint.port else 'a port'} of the host is published to every machine"


def host_address_text(context: PredictionContext, end: Endpoint) -> str:
    """Return a phrase for the host's address of a flow."""
    return f"its address on {context.label(end.network)}" if end.network else "all of its addresses"


def not_in_file(context: PredictionContext, flow: Flow) -> Prediction:
    """Return the prediction closed for an endpoint that is not in the file."""
    end = flow.endpoint
    if end.place.startswith(FOREIGN):
        return shut(f"{end.place.removeprefix(FOREIGN)} is not in the file")
    if not end.network:
        return shut(f"{end.place} is not in the host's namespace in the file")
    return shut(f"{end.place} is not on {context.label(end.network)} in the file")


COMMON_RULES: Final[PredictionRules] = (
    not_published,
    unmanaged_address,
    same_namespace,
    network_mode,
    other_drivers,
    from_host,
)
"""The rules for both versions of IP."""
