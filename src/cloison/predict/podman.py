"""The rules that predict flows over Podman's bridges.

Input: a `PredictionContext` and a flow. Output: a `Prediction`, or None when a rule does not apply.
Rule: `RULES` is read in order and the first prediction decides; where both engines agree it holds Docker's rule.
Four facts, measured on 4.3.1 (iptables) and 5.4.2 (nftables), both with Netavark (https://github.com/containers/netavark):

- Two bridges are isolated from each other only if both have the option `isolate` and neither is internal. Networks
  that Compose creates have it; the default network and those of `podman network create` do not.
- `internal` stops packets from the members: no default route, no forwarding. It does not stop packets to them.
- Netavark with iptables accepts packets from networks that are not internal. All other packets, and all packets
  with nftables, are subject to the host's FORWARD policy.
- Podman ignores the options of Docker's bridges.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, HOST, LINK_LOCAL, OUTSIDE, Endpoint, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.predict.common_rules import (
    ACCEPT,
    DROP,
    from_host,
    host_address_text,
    network_mode,
    not_in_file,
    not_published,
    other_drivers,
    outside_to_host_namespace,
    published_to_all,
    same_namespace,
    unmanaged_address,
)
from cloison.predict.context import (
    ISOLATE,
    Prediction,
    PredictionContext,
    PredictionRules,
    opened,
    shut,
    unfiltered,
    unknown,
)

ISOLATED_BY_API: Final = (4, 3)
"""Since this version the Docker-compatible API isolates every bridge that it creates, whatever the file says:
https://github.com/containers/podman/pull/15016"""
ISOLATED_BY_DEFAULT: Final = (6, 0)
"""Since this version Netavark isolates every bridge from all others: https://github.com/containers/podman/pull/28524"""
REMOVES_RULES_SINCE: Final = (5, 0)
"""Before this version, inspecting a network with running containers prevents the removal of its isolation rules, and
the next bridge of that name inherits them, even when it is internal (4.3.1; not 5.4.2)."""
ISOLATED: Final = "true"
STRICT: Final = "strict"
NOT_ISOLATED: Final = "false"
IPTABLES: Final = "iptables"
RP_FILTER_OFF, RP_FILTER_STRICT, RP_FILTER_LOOSE = "0", "1", "2"


def no_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close every flow of a vantage without a network."""
    place = flow.vantage.place
    if place in (HOST, OUTSIDE) or context.attached_networks(place):
        return None
    if place.startswith(FOREIGN):
        return shut(f"{place.removeprefix(FOREIGN)} is not in the file")
    return shut(f"{place} has no network in the file")


def target_not_in_file(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close an endpoint on a network that the file does not give it."""
    end = flow.endpoint
    is_attached = (
        end.kind is not EndpointKind.PUBLISHED and end.place != OUTSIDE and not context.uses_host_namespace(end.place)
    )
    return (
        not_in_file(context, flow) if is_attached and end.network not in context.attached_networks(end.place) else None
    )


def reserved_port(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open a published port of a service with internal networks only: the socket that reserves the port answers.

    Podman forwards a port to networks that are not internal.
    """
    end, place = flow.endpoint, flow.vantage.place
    if end.kind is not EndpointKind.PUBLISHED or _gateway_networks(context, end.place):
        return None
    if place not in (HOST, OUTSIDE) and not (_local_network(context, flow) or _gateway_networks(context, place)):
        return None
    return opened(f"every network of {end.place} is internal: Podman forwards the port nowhere and answers itself")


def from_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open to other machines every address that the host forwards to: Podman sets no rule against it."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if end.kind is EndpointKind.PUBLISHED:
        return _forwarded(context, published_to_all(end), accepted=False)
    label = context.label(end.network)
    route = _forwarded(context, f"Podman does not filter packets to {label}, internal or not", accepted=False)
    return _reverse_path_filtered(context, end) if route.reach is Reach.OPEN else route


def _reverse_path_filtered(context: PredictionContext, end: Endpoint) -> Prediction:
    """Predict whether the container's kernel accepts a packet whose source it may have no route to (rp_filter)."""
    label, gateway_networks = context.label(end.network), _gateway_networks(context, end.place)
    delivered = unfiltered(
        f"{label} is routable through the host: Podman does not filter packets to it, internal or not"
    )
    dropped = shut(
        f"{end.place} has no route to the outside over {label}, so its kernel drops packets from there (rp_filter)"
    )
    undetermined = unknown(f"Podman chooses at random through which of its networks {end.place} answers the outside")
    predictions = {
        RP_FILTER_OFF: delivered,
        RP_FILTER_LOOSE: delivered if gateway_networks else dropped,
        RP_FILTER_STRICT: dropped
        if end.network not in gateway_networks
        else delivered
        if len(gateway_networks) == 1
        else undetermined,
    }
    return predictions.get(context.facts.engine.source_check, unknown("the host's rp_filter could not be read"))


def on_one_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open everything on one bridge, unless the host filters bridges and its FORWARD policy is DROP."""
    end, place = flow.endpoint, flow.vantage.place
    if end.kind is EndpointKind.PUBLISHED or end.network not in context.attached_networks(place):
        return None
    label = context.label(end.network)
    if context.uses_host_namespace(end.place):
        return opened(f"the host has an address on {label}, internal or not")
    rule = f"{place} and {end.place} share {label}, and Podman has no policy inside a network"
    if not context.facts.engine.filters_bridges:
        return opened(rule)
    return _forwarded(context, rule, accepted=not context.is_internal(end.network))


def from_internal(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close flows that start on an internal network: it has no default route, and the host forwards nothing from it."""
    local_network, place = _local_network(context, flow), flow.vantage.place
    route = local_network or next(iter(_gateway_networks(context, place)), "")
    if route and not context.is_internal(route):
        return None
    if local_network:
        return shut(f"{place} connects over {context.label(local_network)}, which is internal")
    return shut(f"every network of {place} is internal, so it has no default route")


def to_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open all addresses of the host to containers that have it as gateway."""
    end = flow.endpoint
    if not context.uses_host_namespace(end.place):
        return None
    return opened(f"the host answers on {host_address_text(context, end)} to containers that have it as gateway")


def to_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Open the outside to a container that has a network which is not internal."""
    if flow.endpoint.place != OUTSIDE:
        return None
    place = flow.vantage.place
    route = next(iter(_gateway_networks(context, place)))
    return _forwarded(context, f"{context.label(route)} is not internal, so {place} has egress", accepted=True)


def hairpin(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close a published port to the container behind it: a bridge does not return a packet to its source port."""
    source, end, owner = flow.vantage.place, flow.endpoint, context.project.owner
    if end.kind is not EndpointKind.PUBLISHED or source == end.place or owner(source) != owner(end.place):
        return None
    if context.project.services[owner(source)].replicas > 1:
        return unknown(f"the container of {owner(source)} that shares its namespace with {source} is not known")
    return shut(f"{source} and {end.place} share a network namespace, and a bridge does not return packets to it")


def between_bridges(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Predict flows between two bridges, also those through a published port."""
    end, place = flow.endpoint, flow.vantage.place
    local_network = _local_network(context, flow)
    gateway_networks = [local_network] if local_network else _gateway_networks(context, place)
    targets = _gateway_networks(context, end.place) if end.kind is EndpointKind.PUBLISHED else [end.network]
    predictions = [_between(context, route, target) for route in gateway_networks for target in targets]
    if len({prediction.reach for prediction in predictions}) > 1:
        return unknown(f"Podman chooses at random which of their networks connects {place} to {end.place}")
    return predictions[0]


def _between(context: PredictionContext, route: str, target: str) -> Prediction:
    """Predict a packet that comes from the bridge `route` and goes to the bridge `target`."""
    labels = f"{context.label(route)} and {context.label(target)}"
    if route == target:
        return _forwarded(context, "a published port is also open to its own network", accepted=True)
    if context.is_internal(target):
        return _into_internal(context, route, target)
    kinds = {isolation(context, route), isolation(context, target)}
    if kinds == {ISOLATED}:
        return shut(f"Podman isolates {labels} from each other")
    if STRICT in kinds:
        return unknown(f"one of {labels} has strict isolation, which is not predicted")
    if NOT_ISOLATED in kinds:
        return _forwarded(context, f"Podman does not isolate {labels}: not both have the option isolate", accepted=True)
    return unknown(f"Podman does not report whether it isolates {labels}")


def _into_internal(context: PredictionContext, route: str, target: str) -> Prediction:
    """Predict a packet to an internal network: `internal` does not filter it, but a stale isolation rule may."""
    if isolation(context, route) != NOT_ISOLATED and context.facts.engine.release < REMOVES_RULES_SINCE:
        labels = f"{context.label(route)} and {context.label(target)}"
        return unknown(f"Podman before 5 may have left a stale rule that isolates {labels}")
    return _forwarded(
        context, f"{context.label(target)} is internal, and Podman does not filter packets to it", accepted=True
    )


def isolation(context: PredictionContext, network: str) -> str:
    """Return the option `isolate` of a network by the file and the engine, empty when it is unknown."""
    if not context.is_external(network) and context.facts.engine.release >= ISOLATED_BY_API:
        return ISOLATED if context.facts.engine.release < ISOLATED_BY_DEFAULT else STRICT
    fact = context.facts.network(network)
    return dict(fact.options).get(ISOLATE, "") if fact else ""


def _local_network(context: PredictionContext, flow: Flow) -> str:
    """Return the network of the vantage that contains the endpoint's address, empty when it must be routed."""
    address = flow.endpoint.address
    facts = [fact for name in context.attached_networks(flow.vantage.place) if (fact := context.facts.network(name))]
    return next((fact.name for fact in facts if address and fact.contains(address)), "")


def _gateway_networks(context: PredictionContext, place: str) -> list[str]:
    """Return the networks that may give a container its default route; with several, the choice is random.

    Netavark uses no order: three starts of one container gave three routes (4.3.1 and 5.4.2).
    """
    return [name for name in context.attached_networks(place) if not context.is_internal(name)]


def _forwarded(context: PredictionContext, rule: str, *, accepted: bool) -> Prediction:
    """Predict a packet in the host's FORWARD chain; `accepted` means that Netavark has an ACCEPT rule for it."""
    engine = context.facts.engine
    if accepted and engine.firewall == IPTABLES:
        return opened(rule)
    if accepted and not engine.firewall and engine.forward_policy == DROP:
        return unknown("the FORWARD policy is DROP, and Podman's firewall backend is unknown")
    predictions = {
        ACCEPT: opened(rule),
        DROP: shut("the host's FORWARD policy is DROP, and no rule of Podman precedes it"),
    }
    return predictions.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


def from_host_to_container(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Predict what the host reaches over IPv6, but for published ports.

    Netavark redirects them, and a redirected packet from `::1` has no route: IPv6 has no `route_localnet`.
    """
    return None if flow.endpoint.kind is EndpointKind.PUBLISHED else from_host(context, flow)


def ipv6(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Close every flow of a vantage without an IPv6 address, except link-local ones; leave the rest unknown."""
    place, end = flow.vantage.place, flow.endpoint
    on_link = end.address.startswith(LINK_LOCAL) and end.network in context.attached_networks(place)
    if on_link or place == OUTSIDE or context.uses_host_namespace(place) or context.attached_networks_v6(place):
        return unknown("Podman's IPv6 is not predicted")
    return shut(f"{place} has no IPv6 address in the file")


RULES: Final[PredictionRules] = (
    not_published,
    unmanaged_address,
    same_namespace,
    network_mode,
    other_drivers,
    reserved_port,
    from_host,
    target_not_in_file,
    outside_to_host_namespace,
    from_outside,
    no_network,
    on_one_network,
    from_internal,
    to_host,
    to_outside,
    hairpin,
    between_bridges,
)
"""The rules over IPv4."""
RULES_V6: Final[PredictionRules] = (
    not_published,
    unmanaged_address,
    same_namespace,
    network_mode,
    other_drivers,
    from_host_to_container,
    ipv6,
)
