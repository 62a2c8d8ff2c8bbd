"""The planner: it predicts every flow of a Compose file without an engine and judges it by the policy.

Input: a `Project`, the assumptions about the engine, and the tool. Output: a `Plan`.
Rule: the prediction takes the place of the observation of a proof, so the same table judges both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec
from msgspec import structs

from cloison.compose import policy
from cloison.compose.addressing import check_addresses
from cloison.compose.flow_rule import PolicyRule
from cloison.compose.policy import Policy
from cloison.compose.project import Port, Project, Service
from cloison.model.facts import EngineFacts, Facts
from cloison.model.flow import HOST, OUTSIDE, Endpoint, Flow, Protocol
from cloison.model.outcome import Observation, Outcome, Reach
from cloison.plan import synthetic_facts
from cloison.plan.equivalent_services import ServiceClass
from cloison.plan.lint import lint
from cloison.plan.reduction import Reduction, reduce_project
from cloison.plan.rejections import rejections
from cloison.plan.requirements import PolicyContext, allowed, requirements
from cloison.plan.schema import (
    AlikePart,
    AlikeServicePart,
    AssumedPart,
    LintFindingPart,
    Plan,
    PlanCoverage,
    PlanEndpointPart,
    PlannedFlow,
    PlanVantagePart,
    PlanVerdict,
    ProposalPart,
    ProposedNetworkPart,
    ServiceNetworksPart,
)
from cloison.plan.segmentation import Proposal, proposal_yaml, propose, with_proposal
from cloison.plan.synthetic_facts import Assumptions
from cloison.predict import predictor
from cloison.predict.context import Prediction
from cloison.predict.egress_networks import predicted_egress
from cloison.proof import build as proof_build
from cloison.proof.schema import SkippedPart, Tool
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.egress_networks import needed_egress
from cloison.verdict.intent import Intention
from cloison.verdict.judge import JudgedFlow, Judgement
from cloison.verdict.reasons import reason, unneeded_tolerations
from cloison_view import verdict as view_verdict

PREDICTED_OUTCOME: Final = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT, Reach.UNKNOWN: Outcome.ERROR}
"""The outcome that represents a prediction, so that the table of judgements applies to it."""


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

    @cached_property
    def intended(self) -> Mapping[Flow, Intention]:
        """The intended matrix."""
        egress = predicted_egress(self.project, self.facts)
        by_rule = verdict_intent.intended(self.project, self.rules, self.predicted, egress)
        return needed_egress(by_rule, lambda flow: self.predicted[flow].reach is Reach.SHUT)

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
    return Scenario(project, facts, rules, predicted, whole, reduction)


def _named(rules: Policy | None, place: str) -> set[tuple[Protocol, int]]:
    """Return the ports of a place that the policy names, in `allow` or `tolerate`."""
    tolerated = [toleration.rule for toleration in rules.tolerate if toleration.rule] if rules else []
    ports = {port for rule in tolerated if rule.target == place for port in rule.ends()}
    return {*policy.named_ports(rules, place), *ports}


def plan(project: Project, assumed: Assumptions, tool: Tool) -> Plan:
    """Return the plan of a resolved Compose file.

    Raises PolicyError when the policy names something that the project does not have, FileError when the project
    has more networks than the synthetic address pool.
    """
    check_addresses(project)
    scenario = build_scenario(synthetic_facts.with_capped_replicas(project), policy.policy(project), assumed)
    if scenario.rules:
        dropped = scenario.reduction.dropped
        own = [r for r in scenario.rules.allow if not r.names_foreign and dropped.isdisjoint((r.source, r.target))]
        policy.check_rules_match(Policy(tuple(own), ()), scenario.predicted)
    judged = scenario.judged()
    places, ends = sorted({f.vantage for f in scenario.predicted}), sorted({f.endpoint for f in scenario.predicted})
    where = ({v: i for i, v in enumerate(places)}, {end: i for i, end in enumerate(ends)})
    counted = Counter(item.judgement for item in judged)
    unknown = sum(item.prediction.reach is Reach.UNKNOWN for item in judged)
    engine = scenario.facts.engine
    not_predicted = (*flow_enumeration.skipped(project, scenario.facts), *rejections(project, engine.release))
    skipped = [SkippedPart(what, why) for what, why in not_predicted]
    return Plan(
        schema_version="2",
        tool=tool,
        verdict=_verdict(judged, skipped, has_policy=scenario.rules is not None),
        project=proof_build.project_part(project, scenario.facts),
        assumed=_assumed(engine, assumed.external),
        policy=proof_build.policy_part(scenario.rules),
        vantages=[PlanVantagePart(v.place, v.container) for v in places],
        endpoints=[_endpoint_part(end) for end in ends],
        flows=[
            _flow(
                item, where[0][item.flow.vantage], where[1][item.flow.endpoint], has_policy=scenario.rules is not None
            )
            for item in judged
        ],
        totals={word.value: counted[word] for word in Judgement},
        coverage=PlanCoverage(len(judged), unknown, skipped),
        remarks=[
            LintFindingPart(r.where, r.kind, r.says) for r in lint(project, scenario.facts, scenario.policy_context)
        ],
        proposal=_proposal(scenario, assumed),
        notes=unneeded_tolerations(scenario.rules, judged, policy.tolerated_devices(scenario.rules)),
        alike=[_alike_part(scenario.whole, found) for found in scenario.reduction.classes],
    )


def _endpoint_part(end: Endpoint) -> PlanEndpointPart:
    return PlanEndpointPart(**structs.asdict(proof_build.endpoint_part(end)), last_port=end.last_port)


def _alike_part(project: Project, found: ServiceClass) -> AlikePart:
    services = [AlikeServicePart(name, _port_texts(project.services[name])) for name in found.members]
    return AlikePart(list(found.modelled), services)


def _port_texts(service: Service) -> list[str]:
    """Return the ports of a service in the short syntax of Compose."""
    published = {f"{_host_text(port)}{port.target}/{port.protocol}" for port in service.ports}
    return sorted(published | {f"{port}/{protocol}" for protocol, port in service.exposed})


def _host_text(port: Port) -> str:
    return f"{port.host_address}:{port.host_port}:" if port.host_address else f"{port.host_port}:"


def _verdict(judged: Iterable[JudgedFlow], skipped: Iterable[SkippedPart], *, has_policy: bool) -> PlanVerdict:
    words = [item.judgement for item in judged]
    complete = view_verdict.is_complete(len(words), (), (part.why for part in skipped))
    found = view_verdict.verdict(set(words), has_policy=has_policy, is_complete=complete)
    return msgspec.convert({"word": view_verdict.PLAN_WORDS[found.word], "exit_code": found.exit_code}, PlanVerdict)


def _assumed(engine: EngineFacts, external: str) -> AssumedPart:
    return AssumedPart(
        engine=engine.name,
        version=engine.version,
        forward_policy=engine.forward_policy,
        forward_policy_v6=engine.forward_policy_v6,
        filters_ipv6=engine.filters_ipv6,
        has_userland_proxy=engine.has_userland_proxy,
        guards_addresses=engine.guards_addresses,
        external=external,
    )


def _flow(item: JudgedFlow, vantage: int, endpoint: int, *, has_policy: bool) -> PlannedFlow:
    return PlannedFlow(
        vantage=vantage,
        endpoint=endpoint,
        intended=item.intention.intent,
        intended_by=item.intention.where,
        predicted=item.prediction.reach,
        rule=item.prediction.rule,
        judgement=item.judgement,
        reason=reason(item, has_policy=has_policy),
    )


def _proposal(scenario: Scenario, assumed: Assumptions) -> ProposalPart | None:
    policy_context = scenario.policy_context
    found = propose(scenario.whole, requirements(policy_context)) if policy_context else None
    return _proposal_part(policy_context, scenario, found, assumed) if policy_context and found else None


def _proposal_part(
    policy_context: PolicyContext, scenario: Scenario, found: Proposal, assumed: Assumptions
) -> ProposalPart:
    after = apply_proposal(scenario, found, assumed)
    before, then = scenario.open_pairs(), after.open_pairs()
    return ProposalPart(
        networks=[ProposedNetworkPart(n.key, n.internal, list(n.members), n.is_new) for n in found.networks],
        services=[ServiceNetworksPart(name, list(keys)) for name, keys in sorted(found.changed.items())],
        dropped=list(found.dropped),
        opens=_pair_texts(then - before),
        shuts=_pair_texts(before - then),
        leaves_open=_pair_texts(unallowed_pairs(policy_context, then)),
        exact=found.exact,
        yaml=proposal_yaml(found),
    )


def apply_proposal(scenario: Scenario, proposal: Proposal, assumed: Assumptions) -> Scenario:
    """Return the scenario of the project with the proposal applied, and the policy without its tolerations."""
    rules = Policy(scenario.rules.allow, ()) if scenario.rules else None
    return build_scenario(with_proposal(scenario.whole, proposal), rules, assumed)


def unallowed_pairs(policy_context: PolicyContext, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the open pairs of which the policy allows neither direction.

    Two services on one network reach each other at every port, so an allowed direction implies the other.
    """
    owner = policy_context.project.owner
    named = {frozenset({owner(rule.source), owner(rule.target)}) for rule in policy_context.rules.allow}
    meant = allowed(policy_context) | named
    return {(a, b) for a, b in pairs if frozenset({owner(a), owner(b)}) not in meant}


def _pair_texts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{source} -> {target}" for source, target in sorted(pairs)]
