"""The requirements of a policy on the project's networks: pairs that must connect, and services that need egress.

Input: a `PolicyContext`. Output: `Requirements`.
Rule: only `allow` creates a requirement; a tolerated flow may be closed. A rule with `*` requires only the flows
that are predicted open now: `app -> *` requires app -> db if they share a network today, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cloison.compose.policy import Policy, flow_rules
from cloison.compose.project import Network, Project
from cloison.model.flow import OUTSIDE, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.plan.clique_cover import Pair
from cloison.predict.context import Prediction
from cloison.verdict.intent import Intent, Intention

LOOPBACK: Final = ("127.", "::1")


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The project, its policy, and the predicted and the intended matrix."""

    project: Project
    rules: Policy
    predicted: Mapping[Flow, Prediction]
    intended: Mapping[Flow, Intention]

    def is_open(self, flow: Flow) -> bool:
        """Whether a flow is predicted open."""
        return self.predicted[flow].reach is Reach.OPEN


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements. `attachable` names the services whose attachments the proposal may change."""

    attachable: tuple[str, ...]
    pairs: frozenset[Pair]
    egress: frozenset[str]
    needing_network: frozenset[str]
    """The services that need a network, even without a peer: their replicas or the host connect over it."""
    fixed: frozenset[str] = frozenset()
    """The keys of the networks that the proposal may not change."""


def is_project_bridge(network: Network) -> bool:
    """Whether the project owns a network and its isolation is predicted."""
    return not network.external and network.driver == "bridge"


def requirements(policy_context: PolicyContext) -> Requirements:
    """Return the requirements of the policy on the networks that the proposal may change."""
    project, fixed = policy_context.project, _fixed_keys(policy_context)
    attachable = tuple(
        sorted(name for name, body in project.services.items() if not body.network_mode and body.replicas)
    )
    pairs_needed = (pair for pair in _pairs(policy_context) if len(pair) > 1 and pair <= set(attachable))
    pairs = {pair for pair in pairs_needed if not _share_network(project, pair, fixed)}
    free = {name for name in attachable if not _networks_of(project, name, fixed)}
    egress = free.intersection(_egress_services(policy_context))
    named = {project.owner(name) for rule in policy_context.rules.allow for name in (rule.source, rule.target)}
    return Requirements(attachable, frozenset(pairs), frozenset(egress), frozenset(free & named), fixed)


def _fixed_keys(policy_context: PolicyContext) -> frozenset[str]:
    """Return the networks that the proposal may not change: external ones, other drivers, and what `via` names."""
    named = {rule.via for rule in flow_rules(policy_context.rules)}
    networks = policy_context.project.networks
    return frozenset(key for key, known in networks.items() if not is_project_bridge(known) or known.name in named)


def allowed(policy_context: PolicyContext) -> set[Pair]:
    """Return every pair of services between which the policy allows a flow, in any direction and at any port."""
    project = policy_context.project
    named = {(rule.source, rule.target) for rule in policy_context.rules.allow if not rule.has_wildcard}
    wide = [rule for rule in policy_context.rules.allow if rule.has_wildcard]
    return {frozenset({project.owner(a), project.owner(b)}) for a, b in named if {a, b} <= set(project.services)} | {
        _ends(project, flow)
        for flow in policy_context.predicted
        if any(rule.matches(flow) for rule in wide) and _is_between(project, flow)
    }


def _pairs(policy_context: PolicyContext) -> Iterator[Pair]:
    project = policy_context.project
    for rule in policy_context.rules.allow:
        if not rule.has_wildcard and {rule.source, rule.target} <= set(project.services):
            yield frozenset({project.owner(rule.source), rule.target})
    wide = [rule for rule in policy_context.rules.allow if rule.has_wildcard]
    for flow in policy_context.predicted:
        if any(rule.matches(flow) for rule in wide) and policy_context.is_open(flow) and _is_between(project, flow):
            yield _ends(project, flow)


def _is_between(project: Project, flow: Flow) -> bool:
    """Whether a flow goes from one service to another service's own address."""
    inside = {flow.vantage.place, flow.endpoint.place} <= set(project.services)
    return inside and flow.endpoint.kind is not EndpointKind.PUBLISHED and len(_ends(project, flow)) > 1


def _ends(project: Project, flow: Flow) -> Pair:
    return frozenset({project.owner(flow.vantage.place), project.owner(flow.endpoint.place)})


def _networks_of(project: Project, service: str, keys: frozenset[str]) -> frozenset[str]:
    """Return which of some networks a service is on, and the engine's own ones."""
    others = {network.name for key, network in project.networks.items() if key not in keys}
    return frozenset(project.services[service].networks) - others


def _share_network(project: Project, pair: Pair, keys: frozenset[str]) -> bool:
    return bool(frozenset.intersection(*(_networks_of(project, name, keys) for name in pair)))


def _egress_services(policy_context: PolicyContext) -> Iterator[str]:
    """Yield the services that need a network with egress, to reach the outside or to publish ports."""
    project = policy_context.project
    for rule in policy_context.rules.allow:
        if rule.target == OUTSIDE and rule.source in project.services:
            yield project.owner(rule.source)
        if rule.source == OUTSIDE and rule.target in project.services:
            yield rule.target
    for flow, intention in policy_context.intended.items():
        wide = intention.intent is Intent.OPEN and policy_context.is_open(flow)
        if flow.endpoint.place == OUTSIDE and flow.vantage.place in project.services and wide:
            yield project.owner(flow.vantage.place)
        published = flow.endpoint.kind is EndpointKind.PUBLISHED and flow.vantage.place == OUTSIDE
        if published and intention.intent is not Intent.SHUT:
            yield flow.endpoint.place
    for service in project.services.values():
        if any(port.host_address.startswith(LOOPBACK) for port in service.ports):
            yield service.name  # users of the host connect to it
