"""What Podman makes of a Compose file, where it is not what Docker makes of it.

Rule: as in `walls_v4`; what both engines do alike is Docker's rule, named in `RULES`. Podman's own rules come down to
four facts, each measured on 4.3.1 (iptables) and 5.4.2 (nftables), both with Netavark over IPv4:

- A bridge keeps another out only where both carry the option `isolate`, and only while it is not internal. Networks
  that Compose makes carry it; the default network and those of `podman network create` do not.
- `internal` keeps the members in: no default route, nothing forwarded that comes from there. It keeps nobody out.
- Netavark accepts what its networks that are not internal send. All else is left to the host's FORWARD policy, and
  where Netavark writes nftables, so is that.
- No option of Docker's bridges is known to it.
"""

from __future__ import annotations

from typing import Final

from cloison.model.flow import FOREIGN, HOST, LINK_LOCAL, OUTSIDE, Endpoint, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.predict.context import ISOLATE, Prediction, PredictionContext, PredictionRules, opened, shut, unknown
from cloison.predict.docker_ipv4 import (
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

ISOLATED_BY_API: Final = (4, 3)
"""From here on the Docker-compatible API isolates every bridge that it makes, whatever the file says:
https://github.com/containers/podman/pull/15016"""
ISOLATED_BY_DEFAULT: Final = (6, 0)
"""From here on Netavark isolates every bridge from all others: https://github.com/containers/podman/pull/28524"""
REMOVES_RULES_SINCE: Final = (5, 0)
"""Before, whoever inspected a network while containers ran on it kept its isolation rules from being removed with it,
and the next bridge of that name had them, though it were internal (4.3.1; not 5.4.2)."""
ISOLATED: Final = "true"
STRICT: Final = "strict"
NOT_ISOLATED: Final = "false"
IPTABLES: Final = "iptables"
RP_FILTER_OFF, RP_FILTER_STRICT, RP_FILTER_LOOSE = "0", "1", "2"


def no_network(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Where the file gives no network, there is none."""
    place = flow.vantage.place
    if place in (HOST, OUTSIDE) or context.attached_networks(place):
        return None
    if place.startswith(FOREIGN):
        return shut(f"the file does not know {place.removeprefix(FOREIGN)}")
    return shut(f"the file gives {place} no network")


def target_not_in_file(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Who is where the file does not put him is not predicted to be there."""
    end = flow.endpoint
    is_attached = (
        end.kind is not EndpointKind.PUBLISHED and end.place != OUTSIDE and not context.uses_host_namespace(end.place)
    )
    return (
        not_in_file(context, flow) if is_attached and end.network not in context.attached_networks(end.place) else None
    )


def reserved_port(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Podman leads a port to networks that are not internal; with none, the socket that keeps the port free answers."""
    end, place = flow.endpoint, flow.vantage.place
    if end.kind is not EndpointKind.PUBLISHED or _gateway_networks(context, end.place):
        return None
    if place not in (HOST, OUTSIDE) and not (_local_network(context, flow) or _gateway_networks(context, place)):
        return None
    return opened(f"every network of {end.place} is internal: Podman leads the port nowhere, and answers on it itself")


def from_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A neighbour reaches what the host forwards to him: Podman itself keeps nobody out."""
    if flow.vantage.place != OUTSIDE:
        return None
    end = flow.endpoint
    if end.kind is EndpointKind.PUBLISHED:
        return _forwarded(context, published_to_all(end), accepted=False)
    label = context.label(end.network)
    route = _forwarded(context, f"Podman keeps nobody out of {label}, internal or not", accepted=False)
    return _reverse_path_filtered(context, end) if route.reach is Reach.OPEN else route


def _reverse_path_filtered(context: PredictionContext, end: Endpoint) -> Prediction:
    """Predict whether the container's kernel takes a packet whose source it may have no way back to."""
    label, gateway_networks = context.label(end.network), _gateway_networks(context, end.place)
    delivered = opened(
        f"whoever routes to {label} through the host gets there: Podman keeps nobody out, internal or not"
    )
    dropped = shut(
        f"{end.place} has no way back to the outside over {label}, and its kernel drops what comes from there"
    )
    undetermined = unknown(f"Podman chooses by chance by which of its networks {end.place} answers the outside")
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
    """On one bridge everything is open, unless the host filters bridges and its FORWARD policy is DROP."""
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
    """Who has internal networks alone has no default route, and nothing that he sends is forwarded."""
    local_network, place = _local_network(context, flow), flow.vantage.place
    route = local_network or next(iter(_gateway_networks(context, place)), "")
    if route and not context.is_internal(route):
        return None
    if local_network:
        return shut(f"{place} gets there over {context.label(local_network)}, which is internal")
    return shut(f"every network of {place} is internal, so it has no way out")


def to_host(context: PredictionContext, flow: Flow) -> Prediction | None:
    """The host answers on all of its addresses for whoever has it as gateway."""
    end = flow.endpoint
    if not context.uses_host_namespace(end.place):
        return None
    return opened(f"the host answers on {host_address_text(context, end)} for whoever it is a gateway of")


def to_outside(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A container has egress when one of its networks is not internal."""
    if flow.endpoint.place != OUTSIDE:
        return None
    place = flow.vantage.place
    route = next(iter(_gateway_networks(context, place)))
    return _forwarded(context, f"{context.label(route)} is not internal, so {place} has egress", accepted=True)


def hairpin(context: PredictionContext, flow: Flow) -> Prediction | None:
    """A published port leads back over the bridge, and a bridge gives no packet back to the container it came from."""
    source, end, owner = flow.vantage.place, flow.endpoint, context.project.owner
    if end.kind is not EndpointKind.PUBLISHED or source == end.place or owner(source) != owner(end.place):
        return None
    if context.project.services[owner(source)].replicas > 1:
        return unknown(f"it cannot be told with which container of {owner(source)} {source} shares its namespace")
    return shut(f"{source} and {end.place} live in one network namespace, and no bridge leads a packet back there")


def between_bridges(context: PredictionContext, flow: Flow) -> Prediction | None:
    """From one bridge to another, directly or through a published port, which ends in a bridge as well."""
    end, place = flow.endpoint, flow.vantage.place
    local_network = _local_network(context, flow)
    gateway_networks = [local_network] if local_network else _gateway_networks(context, place)
    targets = _gateway_networks(context, end.place) if end.kind is EndpointKind.PUBLISHED else [end.network]
    predictions = [_between(context, route, target) for route in gateway_networks for target in targets]
    if len({prediction.reach for prediction in predictions}) > 1:
        return unknown(f"Podman chooses by chance which of their networks the way from {place} to {end.place} takes")
    return predictions[0]


def _between(context: PredictionContext, route: str, target: str) -> Prediction:
    """Predict a packet that comes from the bridge `way` and goes to the bridge `target`."""
    labels = f"{context.label(route)} and {context.label(target)}"
    if route == target:
        return _forwarded(context, "a published port is a door for its own network, too", accepted=True)
    if context.is_internal(target):
        return _into_internal(context, route, target)
    kinds = {isolation(context, route), isolation(context, target)}
    if kinds == {ISOLATED}:
        return shut(f"Podman isolates {labels} from each other")
    if STRICT in kinds:
        return unknown(f"of {labels} one is isolated strictly, which is not predicted")
    if NOT_ISOLATED in kinds:
        return _forwarded(
            context, f"Podman does not isolate {labels}: only one of them, if any, asks for it", accepted=True
        )
    return unknown(f"Podman does not tell whether it isolates {labels}")


def _into_internal(context: PredictionContext, route: str, target: str) -> Prediction:
    """`internal` itself keeps nobody out, but a rule that was left behind may."""
    if isolation(context, route) != NOT_ISOLATED and context.facts.engine.release < REMOVES_RULES_SINCE:
        labels = f"{context.label(route)} and {context.label(target)}"
        return unknown(f"Podman before 5 may have left a rule behind that keeps {labels} apart")
    return _forwarded(context, f"{context.label(target)} is internal, which keeps nobody out on Podman", accepted=True)


def isolation(context: PredictionContext, network: str) -> str:
    """Return the option `isolate` that a network has by the file and the engine, empty when nobody tells."""
    if not context.is_external(network) and context.facts.engine.release >= ISOLATED_BY_API:
        return ISOLATED if context.facts.engine.release < ISOLATED_BY_DEFAULT else STRICT
    fact = context.facts.network(network)
    return dict(fact.options).get(ISOLATE, "") if fact else ""


def _local_network(context: PredictionContext, flow: Flow) -> str:
    """Return the network of a container to which an address belongs, empty when it has to be routed."""
    address = flow.endpoint.address
    facts = [fact for name in context.attached_networks(flow.vantage.place) if (fact := context.facts.network(name))]
    return next((fact.name for fact in facts if address and fact.contains(address)), "")


def _gateway_networks(context: PredictionContext, place: str) -> list[str]:
    """Return the networks that give a container a default route; with several, chance chooses among them.

    Netavark takes them in no order: three starts of one container gave three (4.3.1 and 5.4.2).
    """
    return [name for name in context.attached_networks(place) if not context.is_internal(name)]


def _forwarded(context: PredictionContext, rule: str, *, accepted: bool) -> Prediction:
    """Predict what passes the host's FORWARD chain; `accepted` by Netavark's rules, where they are asked."""
    engine = context.facts.engine
    if accepted and engine.firewall == IPTABLES:
        return opened(rule)
    if accepted and not engine.firewall and engine.forward_policy == DROP:
        return unknown("the FORWARD policy is DROP, and it cannot be told where Podman writes its own rules")
    predictions = {
        ACCEPT: opened(rule),
        DROP: shut("the host's FORWARD policy is DROP, and no rule of Podman's is asked before it"),
    }
    return predictions.get(engine.forward_policy, unknown("the host's FORWARD policy could not be read"))


def ipv6(context: PredictionContext, flow: Flow) -> Prediction | None:
    """Who has no IPv6 address reaches none, but perhaps on a link of his own; the rest is not predicted."""
    place, end = flow.vantage.place, flow.endpoint
    on_link = end.address.startswith(LINK_LOCAL) and end.network in context.attached_networks(place)
    if on_link or place == OUTSIDE or context.uses_host_namespace(place) or context.attached_networks_v6(place):
        return unknown("what Podman makes of IPv6 is not predicted")
    return shut(f"the file gives {place} no IPv6 address")


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
"""Over IPv4."""
RULES_V6: Final[PredictionRules] = (
    not_published,
    unmanaged_address,
    same_namespace,
    network_mode,
    other_drivers,
    from_host,
    ipv6,
)
