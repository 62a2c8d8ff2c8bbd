"""The planner: it predicts every flow of a Compose file without an engine and judges it by the policy.

Input: a `Project`, the assumptions about the engine, and the tool. Output: a `Plan`.
Rule: the prediction takes the place of the observation of a proof, so the same table judges both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from cloison.compose import policy
from cloison.compose.addressing import check_addresses
from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import EngineFacts, Facts
from cloison.model.flow import HOST, Flow, Protocol
from cloison.model.outcome import Observation, Outcome, Reach
from cloison.plan import synthetic_facts
from cloison.plan.lint import lint
from cloison.plan.requirements import PolicyContext, allowed, requirements
from cloison.plan.schema import (
    AssumedPart,
    LintFindingPart,
    Plan,
    PlanCoverage,
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


@dataclass(frozen=True, slots=True)
class Scenario:
    """A project with its synthetic facts, its policy, and the predicted and the intended matrix."""

    project: Project
    facts: Facts
    rules: Policy | None
    predicted: Mapping[Flow, Prediction]
    intended: Mapping[Flow, Intention]

    @property
    def policy_context(self) -> PolicyContext | None:
        """The context for questions about the policy's requirements; None without a policy."""
        return PolicyContext(self.project, self.rules, self.predicted, self.intended) if self.rules else None

    def judged(self) -> list[JudgedFlow]:
        """Return the judged flows."""
        as_observed = {
            flow: Observation(PREDICTED_OUTCOME[p.reach], p.reach, p.rule) for flow, p in self.predicted.items()
        }
        return verdict_judge.compare(self.intended, self.predicted, as_observed)

    def open_pairs(self) -> set[tuple[str, str]]:
        """Return the (source, target) pairs that are open at any port, without the host, which all places reach."""
        pairs = {(f.vantage.place, f.endpoint.place) for f, p in self.predicted.items() if p.reach is Reach.OPEN}
        return {(source, target) for source, target in pairs if HOST not in (source, target) and source != target}


def build_scenario(project: Project, rules: Policy | None, assumed: Assumptions) -> Scenario:
    """Return the scenario of a project: its synthetic facts, and a prediction and an intention for every flow."""
    facts = synthetic_facts.synthetic_facts(project, assumed, _named(rules, HOST))
    asked = flow_enumeration.flows(project, facts, {name: _named(rules, name) for name in project.services})
    plain = predictor.predict(project, facts, asked)
    predicted = {flow: synthetic_facts.undetermined(project, facts, flow) or known for flow, known in plain.items()}
    found = predicted_egress(project, facts)
    by_rule = verdict_intent.intended(project, rules, predicted, found)
    intended = needed_egress(by_rule, lambda flow: predicted[flow].reach is Reach.SHUT)
    return Scenario(project, facts, rules, predicted, intended)


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
        own = Policy(tuple(rule for rule in scenario.rules.allow if not rule.names_foreign), ())
        policy.check_rules_match(own, scenario.predicted)
    judged = scenario.judged()
    places, ends = sorted({f.vantage for f in scenario.predicted}), sorted({f.endpoint for f in scenario.predicted})
    where = ({v: i for i, v in enumerate(places)}, {end: i for i, end in enumerate(ends)})
    counted = Counter(item.judgement for item in judged)
    unknown = sum(item.prediction.reach is Reach.UNKNOWN for item in judged)
    skipped = [SkippedPart(what, why) for what, why in flow_enumeration.skipped(scenario.project, scenario.facts)]
    engine = scenario.facts.engine
    return Plan(
        schema_version="2",
        tool=tool,
        verdict=_verdict(judged, skipped, has_policy=scenario.rules is not None),
        project=proof_build.project_part(project, scenario.facts),
        assumed=_assumed(engine, assumed.external),
        policy=proof_build.policy_part(scenario.rules),
        vantages=[PlanVantagePart(v.place, v.container) for v in places],
        endpoints=[proof_build.endpoint_part(end) for end in ends],
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
    )


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
    found = propose(scenario.project, requirements(policy_context)) if policy_context else None
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
    return build_scenario(with_proposal(scenario.project, proposal), rules, assumed)


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
