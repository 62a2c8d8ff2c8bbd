"""A scenario: a project with its synthetic facts and its policy, and what a plan predicts and intends for each flow.

Input: a `Project`, its policy, and the assumptions about the engine. Output: a `Scenario`, and its judged flows.
Rule: the prediction takes the place of the observation of a proof, so the same table judges both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cloison.compose import policy
from cloison.compose.flow_rule import PolicyRule
from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import Facts
from cloison.model.flow import HOST, OUTSIDE, EndpointKind, Flow, Protocol, ip_version
from cloison.model.outcome import Observation, Outcome, Reach
from cloison.plan import synthetic_facts
from cloison.plan.reduction import Reduction, reduce_project
from cloison.plan.requirements import PolicyContext
from cloison.plan.synthetic_facts import Assumptions
from cloison.predict import predictor
from cloison.predict.context import Prediction
from cloison.predict.egress_networks import predicted_egress
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.egress_networks import needed_egress
from cloison.verdict.intent import Intention
from cloison.verdict.judge import JudgedFlow

PREDICTED_OUTCOME: Final = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT, Reach.UNKNOWN: Outcome.ERROR}
"""The outcome that represents a prediction, so that the table of judgements applies to it."""

Connection = tuple[str, str, str, int, bool, int]
"""A flow without networks and addresses: source, target, protocol, service port, published, version of IP."""


def connection(flow: Flow) -> Connection:
    """Return a flow without its networks and addresses."""
    end = flow.endpoint
    is_published = end.kind is EndpointKind.PUBLISHED
    return flow.vantage.place, end.place, end.protocol, end.service_port, is_published, ip_version(end.address)


@dataclass(frozen=True)
class Scenario:
    """A project with its synthetic facts, its policy, and its predicted matrix; the intended one is made when asked."""

    project: Project
    facts: Facts
    rules: Policy | None
    predicted: Mapping[Flow, Prediction]
    whole: Project
    """The project with all of its services and ports."""
    reduction: Reduction
    open_elsewhere: Mapping[Flow, Flow]
    """The flows whose own address is not predicted, and a flow to the same port at an address that is open."""

    @cached_property
    def intended(self) -> Mapping[Flow, Intention]:
        """The intended matrix."""
        egress = predicted_egress(self.project, self.facts)
        by_rule = verdict_intent.intended(
            self.project, self.rules, self.predicted, egress, self.facts.network_namespaces
        )
        found = needed_egress(by_rule, lambda flow: self.predicted[flow].reach is Reach.SHUT)
        return {**found, **{flow: found[known] for flow, known in self.open_elsewhere.items()}}

    @cached_property
    def policy_context(self) -> PolicyContext | None:
        """The context for questions about the policy's requirements; None without a policy."""
        if self.rules is None:
            return None
        if not self.reduction.classes:
            return PolicyContext(self.whole, self.rules, self.predicted, self.intended)
        wide = [rule for rule in self.rules.allow if rule.has_wildcard]
        modelled_flows = (flow for flow in self.predicted if _is_required(flow, wide))
        asked = {flow: modelled for modelled in modelled_flows for flow in self.reduction.expanded(modelled)}
        return PolicyContext(
            self.whole,
            self.rules,
            {flow: self.predicted[modelled] for flow, modelled in asked.items()},
            {flow: self.intended[modelled] for flow, modelled in asked.items()},
        )

    def judged(self) -> list[JudgedFlow]:
        """Return the judged flows."""
        as_observed = {
            flow: Observation(PREDICTED_OUTCOME[p.reach], p.reach, p.rule) for flow, p in self.predicted.items()
        }
        return verdict_judge.compare(self.intended, self.predicted, as_observed)

    def open_pairs(self) -> set[tuple[str, str]]:
        """Return the (source, target) pairs that are open at any port, without the host, which all places reach."""
        modelled = {(f.vantage.place, f.endpoint.place) for f, p in self.predicted.items() if p.reach is Reach.OPEN}
        pairs = (pair for open_pair in modelled for pair in self.reduction.expanded_pair(*open_pair))
        return {(source, target) for source, target in pairs if HOST not in (source, target) and source != target}


def _is_required(flow: Flow, wide: Sequence[PolicyRule]) -> bool:
    """Whether the requirements of a policy depend on a flow: one end is the outside, or a rule with `*` matches it."""
    return OUTSIDE in (flow.vantage.place, flow.endpoint.place) or any(rule.matches(flow) for rule in wide)


def build_scenario(whole: Project, rules: Policy | None, assumed: Assumptions) -> Scenario:
    """Return the scenario of a project, in which each class of services and each range of ports is modelled once."""
    return scenario_of(whole, reduce_project(whole, rules), rules, assumed)


def scenario_of(whole: Project, reduction: Reduction, rules: Policy | None, assumed: Assumptions) -> Scenario:
    """Return the scenario of a reduced project: synthetic facts, and a prediction and an intention for every flow."""
    project = reduction.project
    facts = synthetic_facts.synthetic_facts(project, assumed, _named(rules, HOST))
    named = {name: reduction.visible_ports(name, _named(rules, name)) for name in project.services}
    asked = reduction.with_ranges(flow_enumeration.flows(project, facts, named))
    plain = predictor.predict(project, facts, asked)
    undetermined = synthetic_facts.undetermined_services(project)
    predicted = {
        flow: (flow.endpoint.place in undetermined and synthetic_facts.undetermined(project, facts, flow)) or by_rule
        for flow, by_rule in plain.items()
    }
    elsewhere = _open_elsewhere(predicted)
    open_somewhere = {flow: predicted[known] for flow, known in elsewhere.items()}
    return Scenario(project, facts, rules, {**predicted, **open_somewhere}, whole, reduction, elsewhere)


def _open_elsewhere(predicted: Mapping[Flow, Prediction]) -> dict[Flow, Flow]:
    """Return the flows without a prediction whose target is open at another address, each with the flow to that one.

    A place reaches a port if it does so at any address, whatever is not known of the others.
    """
    unknown = [flow for flow, found in predicted.items() if found.reach is Reach.UNKNOWN]
    if not unknown:
        return {}
    known = {connection(flow)[:4]: flow for flow, found in predicted.items() if found.reach is Reach.OPEN}
    return {flow: known[key] for flow in unknown if (key := connection(flow)[:4]) in known}


def _named(rules: Policy | None, place: str) -> set[tuple[Protocol, int]]:
    """Return the ports of a place that the policy names, in `allow` or `tolerate`."""
    tolerated = [toleration.rule for toleration in rules.tolerate if toleration.rule] if rules else []
    ports = {port for rule in tolerated if rule.target == place for port in rule.ends()}
    return {*policy.named_ports(rules, place), *ports}
