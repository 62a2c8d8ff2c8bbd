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
from cloison.plan.advice import Connection, Effect, TriedAdvice, connection, effect, tried_advice
from cloison.plan.applied_proposal import STEP_FLOWS, AppliedProposal, address_pool_notes, applied_proposal, first_step
from cloison.plan.change import Replace, Situation
from cloison.plan.lint import lint
from cloison.plan.requirements import PolicyContext, allowed, requirements
from cloison.plan.schema import (
    AssumedPart,
    FirstStepPart,
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
from cloison.plan.segmentation import propose
from cloison.plan.synthetic_facts import Assumptions
from cloison.plan.tolerations import TolerationEntry
from cloison.predict import predictor
from cloison.predict.context import Prediction
from cloison.proof import build as proof_build
from cloison.proof.schema import AdvicePart, SkippedPart, TolerationPart, Tool
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
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
    predicted = {flow: synthetic_facts.undetermined(project, facts, flow) or by_rule for flow, by_rule in plain.items()}
    intended = verdict_intent.intended(project, rules, predicted)
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
    judged, situation = scenario.judged(), Situation(scenario.project, assumed)
    applied = _applied(scenario, situation)
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
        proposal=_proposal(scenario, situation, applied, effect(judged)),
        notes=unneeded_tolerations(scenario.rules, judged, policy.tolerated_devices(scenario.rules)),
        advice=[
            AdvicePart(item.sentence, list(item.positions)) for item in _advice(scenario, situation, judged, applied)
        ],
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


def judge_situation(situation: Situation) -> list[JudgedFlow]:
    """Return the judged flows of a project with its own policy."""
    return build_scenario(situation.project, policy.policy(situation.project), situation.assumed).judged()


def _applied(scenario: Scenario, situation: Situation) -> AppliedProposal | None:
    context = scenario.policy_context
    found = propose(scenario.project, requirements(context)) if context else None
    return applied_proposal(situation, found, judge_situation) if found else None


def _proposal(
    scenario: Scenario, situation: Situation, applied: AppliedProposal | None, before: Effect
) -> ProposalPart | None:
    context = scenario.policy_context
    if applied is None or context is None:
        return None
    found = applied.proposal
    pairs, then = scenario.open_pairs(), _without_tolerations(applied.project, situation.assumed).open_pairs()
    return ProposalPart(
        networks=[ProposedNetworkPart(n.key, n.internal, list(n.members), n.is_new) for n in found.networks],
        services=[ServiceNetworksPart(name, list(keys)) for name, keys in sorted(found.changed.items())],
        dropped=list(found.dropped),
        opens=_pair_texts(then - pairs),
        shuts=_pair_texts(pairs - then),
        leaves_open=_pair_texts(unallowed_pairs(context, then)),
        exact=found.exact,
        yaml=applied.yaml,
        tolerates=[_toleration_part(entry) for entry in applied.added],
        sound=applied.is_sound,
        notes=address_pool_notes(applied.project),
        step=_step(scenario, situation, before),
    )


def _toleration_part(entry: TolerationEntry) -> TolerationPart:
    return TolerationPart(entry.get("flow") or f"network {entry['network']}", entry["why"])


def _step(scenario: Scenario, situation: Situation, before: Effect) -> FirstStepPart | None:
    context = scenario.policy_context
    if context is None or len(scenario.predicted) > STEP_FLOWS:
        return None
    found = first_step(situation, before, judge_situation, requirements(context).egress)
    return FirstStepPart(found.sentence, found.yaml, found.closes, found.leaves_open) if found else None


def _advice(
    scenario: Scenario, situation: Situation, judged: list[JudgedFlow], applied: AppliedProposal | None
) -> list[TriedAdvice]:
    context = scenario.policy_context
    return tried_advice(
        situation,
        judged,
        judge_situation,
        needing_egress=requirements(context).egress if context else (),
        allowed=allowed(context) if context else (),
        others=[Replace("apply the proposal below", applied.project)] if applied else [],
    )


def connection_advice(project: Project, assumed: Assumptions) -> dict[Connection, str]:
    """Return the advice about the connections that the file opens or closes against its policy.

    Raises the errors of `plan`.
    """
    scenario = build_scenario(synthetic_facts.with_capped_replicas(project), policy.policy(project), assumed)
    judged = scenario.judged()
    found = _advice(scenario, Situation(scenario.project, assumed), judged, None)
    return {connection(judged[i].flow): item.sentence for item in found for i in item.positions}


def _without_tolerations(project: Project, assumed: Assumptions) -> Scenario:
    rules = policy.policy(project)
    return build_scenario(project, Policy(rules.allow, ()) if rules else None, assumed)


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
