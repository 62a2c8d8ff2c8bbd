"""The intended matrix: the intention for every flow by the policy, or without one by the Compose file.

Input: a `Project`, its `Policy` or None, and the predictions. Output: an `Intention` for each flow.
Rules:
  - With a policy, a flow that no rule matches should be closed; flows from the host are not judged.
  - Two ends in one network namespace are one machine, and nothing can separate them: a flow between them is allowed,
    and needed only where a rule names it.
  - Without one, the isolation that the file declares should hold: internal networks, separate networks, and ports that
    are published on a loopback address. A port that is published for everyone is one connection, whatever the address
    and the version of IP: the container's own address is no isolation of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from cloison.compose.flow_rule import PolicyRule, RulesByPlaces
from cloison.compose.policy import Policy, Toleration
from cloison.compose.project import Project
from cloison.model.facts import JOINED, EgressNetworks
from cloison.model.flow import HOST, OUTSIDE, Endpoint, EndpointKind, Flow, Vantage, ip_version
from cloison.model.outcome import Reach
from cloison.predict.context import Prediction

NO_NAMESPACES: Final[Mapping[str, str]] = {}
"""The default of a caller without facts: each end is in a namespace of its own."""
EgressByContainer = Mapping[tuple[str, int], tuple[str, ...]]
"""The networks that carry a container's packets to other machines, by the version of IP; a missing one is unknown."""


class Intent(StrEnum):
    """The intended state of a flow."""

    OPEN = "open"
    SHUT = "shut"
    TOLERATED = "tolerated"
    OPTIONAL = "optional"
    """Allowed but not needed: by a rule with `*`, or because the port is open at another address."""
    UNJUDGED = "unjudged"
    """A flow from the host that the policy does not name."""
    UNDECIDED = "undecided"
    """There is no policy, and the file does not decide."""


@dataclass(frozen=True, slots=True)
class Intention:
    """The intention for one flow, and the position of its rule in the policy (empty for the default)."""

    intent: Intent
    where: str = ""
    why: str = ""


def intended(
    project: Project,
    rules: Policy | None,
    predicted: Mapping[Flow, Prediction],
    egress_networks: Iterable[EgressNetworks] = (),
    namespaces: Mapping[str, str] = NO_NAMESPACES,
) -> dict[Flow, Intention]:
    """Return the intention for every flow of `predicted`; a rule with `via` asks for `egress_networks`.

    `namespaces` are the network namespaces of the containers: see `Facts.network_namespaces`.
    """
    if rules is None:
        for_everyone = {
            without_address(flow)
            for flow, prediction in predicted.items()
            if _is_published(flow) and _is_opened_by_file(prediction) and not _is_isolated(project, flow.vantage.place)
        }
        return {
            flow: DEFAULT_INTENTIONS[Intent.OPTIONAL]
            if prediction.reach is not Reach.OPEN and _is_within_namespace(project, namespaces, flow)
            else _intended_by_file(project, flow, prediction, for_everyone)
            for flow, prediction in predicted.items()
        }
    is_open = [flow for flow, prediction in predicted.items() if prediction.reach is Reach.OPEN]
    context = _PolicyContext(
        project,
        rules,
        RulesByPlaces(rules.allow),
        {without_address(flow) for flow in is_open},
        {without_address(flow) for flow in is_open if _is_published(flow)},
        {(item.container, item.version): item.networks for item in egress_networks},
        _tolerations(project, rules),
        namespaces,
    )
    return {flow: _intention(context, flow, prediction.reach) for flow, prediction in predicted.items()}


@dataclass(frozen=True, slots=True)
class _Tolerations:
    """The tolerations of flows and of networks; the numbers are their ranks. A tolerated device has no flows."""

    rules: RulesByPlaces
    by_where: dict[str, int]
    by_network: dict[str, int]
    """By the engine's name."""


def _tolerations(project: Project, rules: Policy) -> _Tolerations:
    ranked = [*enumerate(rules.tolerate)][::-1]  # of two with one key the first counts
    return _Tolerations(
        RulesByPlaces(toleration.rule for toleration in rules.tolerate if toleration.rule),
        {known.rule.where: rank for rank, known in ranked if known.rule},
        {project.networks[known.network].name: rank for rank, known in ranked if known.network},
    )


@dataclass(frozen=True, slots=True)
class _PolicyContext:
    """What an intention by the policy depends on; `reachable` and `published` are predicted open, at some address."""

    project: Project
    rules: Policy
    allowed: RulesByPlaces
    reachable: set[tuple[Vantage, Endpoint]]
    published: set[tuple[Vantage, Endpoint]]
    egress: EgressByContainer
    tolerations: _Tolerations
    namespaces: Mapping[str, str]


CACHED_INTENTIONS: Final = 1 << 12
"""The number of cached intentions of policy rules."""
DEFAULT_INTENTIONS: Final = {intent: Intention(intent) for intent in Intent}
"""The intentions without a policy rule: one object for all flows."""
INTENT_BY_REACH: Final = {Reach.OPEN: Intent.OPEN, Reach.SHUT: Intent.SHUT, Reach.UNKNOWN: Intent.UNDECIDED}


def _intended_by_file(
    project: Project, flow: Flow, prediction: Prediction, for_everyone: set[tuple[Vantage, Endpoint]]
) -> Intention:
    """Return the intention of the file, which the engine may not implement.

    `for_everyone` are the published ports that each vantage reaches by the file, without their addresses.
    """
    if flow.vantage.place == HOST:
        return DEFAULT_INTENTIONS[Intent.UNJUDGED]
    if flow.endpoint.place == HOST and prediction.reach is not Reach.SHUT:
        return DEFAULT_INTENTIONS[Intent.OPTIONAL]  # the file needs no port of the host
    if not _is_published(flow) and not _is_opened_by_file(prediction) and without_address(flow) in for_everyone:
        return DEFAULT_INTENTIONS[Intent.OPTIONAL]
    if prediction.is_unfiltered or (_is_direct_from_outside(flow) and _is_published_on_loopback(project, flow)):
        return DEFAULT_INTENTIONS[Intent.SHUT]
    return DEFAULT_INTENTIONS[INTENT_BY_REACH[prediction.reach]]


def _is_opened_by_file(prediction: Prediction) -> bool:
    return prediction.reach is Reach.OPEN and not prediction.is_unfiltered


def _is_isolated(project: Project, place: str) -> bool:
    """Whether all networks of a service are internal, so that the file keeps it from ports published for everyone."""
    networks = [project.network_named(name) for name in project.attached_networks(place)]
    return bool(networks) and all(network and network.internal for network in networks)


def _is_published_on_loopback(project: Project, flow: Flow) -> bool:
    """Whether the file publishes the flow's port, and on loopback addresses only."""
    end = flow.endpoint
    service = project.services.get(end.place)
    addresses = [
        port.host_address
        for port in (service.ports if service else ())
        if (port.target, port.protocol) == (end.service_port, end.protocol)
    ]
    return bool(addresses) and all(address and ip_address(address).is_loopback for address in addresses)


def _intention(context: _PolicyContext, flow: Flow, reach: Reach) -> Intention:
    missed = None
    for rule in context.allowed.between(flow.vantage.place, flow.endpoint.place):
        if rule.covers(flow.endpoint.protocol, flow.endpoint.service_port):
            if rule.via and (why := _other_egress(context, rule, flow)):
                missed = missed or _shared_intention(why[0], rule.where, why[1])
                continue
            # A rule with `*` allows every flow that it matches and needs only those that are predicted open.
            optional = reach is not Reach.OPEN and (rule.has_wildcard or without_address(flow) in context.reachable)
            optional |= _is_direct_from_outside(flow) and without_address(flow) in context.published
            optional |= not rule.needs(flow.endpoint)
            return _shared_intention(Intent.OPTIONAL if optional else Intent.OPEN, rule.where)
    if _is_within_namespace(context.project, context.namespaces, flow):
        return DEFAULT_INTENTIONS[Intent.OPTIONAL]
    if toleration := _toleration(context, flow):
        return _shared_intention(Intent.TOLERATED, toleration.where, toleration.why)
    return missed or DEFAULT_INTENTIONS[Intent.UNJUDGED if flow.vantage.place == HOST else Intent.SHUT]


def _is_within_namespace(project: Project, namespaces: Mapping[str, str], flow: Flow) -> bool:
    """Whether both ends are in one network namespace, by the file and by the engine.

    A container that shares a namespace against the file is none of these: its flows are what the file does not explain.
    """
    start, end = flow.vantage, flow.endpoint
    owner = namespaces.get(start.container, "")
    is_one = owner != "" and owner == (HOST if end.place == HOST else namespaces.get(end.container, ""))
    return is_one and _shares_by_file(project, start.place, end.place)


def _shares_by_file(project: Project, source: str, target: str) -> bool:
    """Whether the file puts a service into the network namespace of a place: another service, the host, a container."""
    service = project.services.get(project.owner(source))
    if service is None:
        return False
    if target not in project.services and target != HOST:
        return service.network_mode.startswith(JOINED)
    other = project.services.get(project.owner(target))
    is_sharer = source != target and service is other  # replicas share no namespace by the file
    return is_sharer or HOST == service.network_mode == (other.network_mode if other else HOST)


def _other_egress(context: _PolicyContext, rule: PolicyRule, flow: Flow) -> tuple[Intent, str] | None:
    """Return why a flow does not leave over the network that a rule demands, None if it does."""
    place, version = flow.vantage.place, ip_version(flow.endpoint.address)
    held = context.egress.get((flow.vantage.container, version))
    if held == (rule.via,):
        return None
    demanded = f"the policy demands {_key(context.project, rule.via)}"
    if held is None or rule.via in held:
        return Intent.UNDECIDED, f"it is not certain which network carries the egress of {place}, and {demanded}"
    taken = ", ".join(_key(context.project, name) for name in held) or "no network"
    return Intent.SHUT, "" if rule.has_wildcard else f"the egress network of {place} is {taken}, and {demanded}"


def _key(project: Project, network: str) -> str:
    known = project.network_named(network)
    return known.key if known else network


@lru_cache(CACHED_INTENTIONS)
def _shared_intention(intent: Intent, where: str, why: str = "") -> Intention:
    """Return one object for all flows with the same policy rule."""
    return Intention(intent, where, why)


def _is_published(flow: Flow) -> bool:
    return flow.endpoint.kind is EndpointKind.PUBLISHED


def _is_direct_from_outside(flow: Flow) -> bool:
    """Whether a flow goes from the outside to a container's address, which is allowed and never needed."""
    return flow.vantage.place == OUTSIDE and not _is_published(flow)


def without_address(flow: Flow) -> tuple[Vantage, Endpoint]:
    """Return a flow without its address: one open address of a service port satisfies a rule."""
    end = flow.endpoint
    return flow.vantage, Endpoint(
        end.place, end.container, EndpointKind.LISTENER, end.protocol, end.service_port, "", "", 0
    )


def _toleration(context: _PolicyContext, flow: Flow) -> Toleration | None:
    """Return the first toleration of the policy that covers a flow; a policy may have hundreds."""
    source, end = flow.vantage.place, flow.endpoint
    ranks = [
        context.tolerations.by_where[rule.where]
        for rule in context.tolerations.rules.between(source, end.place)
        if rule.covers(end.protocol, end.service_port) and not (rule.via and _other_egress(context, rule, flow))
    ]
    is_inside = all(end.network in context.project.attached_networks(place) for place in (source, end.place))
    if is_inside and end.network in context.tolerations.by_network:
        ranks.append(context.tolerations.by_network[end.network])
    return context.rules.tolerate[min(ranks)] if ranks else None
