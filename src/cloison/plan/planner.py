"""The planner: it predicts every flow of a Compose file without an engine and judges it by the policy.

Input: a `Project`, the assumptions about the engine, and the tool. Output: a `Plan`.
Rule: here the document is put together; `plan.scenario` predicts and judges, and `plan.advisor` advises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import structs

from cloison.compose import policy
from cloison.compose.addressing import check_addresses
from cloison.compose.policy import Policy
from cloison.compose.project import Port, Project, Service
from cloison.model.facts import EngineFacts
from cloison.model.flow import Endpoint
from cloison.model.outcome import Reach
from cloison.plan.advisor import Advisor
from cloison.plan.applied_proposal import address_pool_notes
from cloison.plan.equivalent_services import ServiceClass
from cloison.plan.lint import lint
from cloison.plan.rejections import rejections
from cloison.plan.requirements import PolicyContext, allowed
from cloison.plan.scenario import build_scenario
from cloison.plan.schema import (
    AlikePart,
    AlikeServicePart,
    AssumedPart,
    FirstStepPart,
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
from cloison.plan.synthetic_facts import Assumptions, modelled_project
from cloison.plan.tolerations import TolerationEntry
from cloison.proof import build as proof_build
from cloison.proof.schema import AdvicePart, SkippedPart, TolerationPart, Tool
from cloison.verdict import flow_enumeration
from cloison.verdict.judge import JudgedFlow, Judgement
from cloison.verdict.reasons import reason, unneeded_tolerations
from cloison_view import verdict as view_verdict


def plan(project: Project, assumed: Assumptions, tool: Tool) -> Plan:
    """Return the plan of a resolved Compose file.

    Raises PolicyError when the policy names something that the project does not have, FileError when the project
    has more networks than the synthetic address pool.
    """
    check_addresses(project)
    scenario = build_scenario(modelled_project(project, assumed), policy.policy(project), assumed)
    if scenario.rules:
        dropped = scenario.reduction.dropped
        own = [r for r in scenario.rules.allow if not r.names_foreign and dropped.isdisjoint((r.source, r.target))]
        policy.check_rules_match(Policy(tuple(own), ()), scenario.predicted)
    judged, advisor = scenario.judged(), Advisor(scenario, assumed)
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
        proposal=_proposal(advisor, is_complete=not skipped),
        notes=unneeded_tolerations(scenario.rules, judged, policy.tolerated_devices(scenario.rules)),
        alike=[_alike_part(scenario.whole, found) for found in scenario.reduction.classes],
        advice=[AdvicePart(found.sentence, list(found.positions)) for found in advisor.advice(judged)],
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


def _proposal(advisor: Advisor, *, is_complete: bool) -> ProposalPart | None:
    """Return the proposal; where the plan leaves something out, so does the one of its result, which is not sound."""
    scenario, applied, step = advisor.scenario, advisor.proposal, advisor.first_step()
    policy_context = scenario.policy_context
    if applied is None or policy_context is None:
        return None
    found = applied.proposal
    after = build_scenario(applied.project, Policy(policy_context.rules.allow, ()), advisor.assumed)
    before, then = scenario.open_pairs(), after.open_pairs()
    return ProposalPart(
        networks=[ProposedNetworkPart(n.key, n.internal, list(n.members), n.is_new) for n in found.networks],
        services=[ServiceNetworksPart(name, list(keys)) for name, keys in sorted(found.changed.items())],
        dropped=list(found.dropped),
        opens=_pair_texts(then - before),
        shuts=_pair_texts(before - then),
        leaves_open=_pair_texts(unallowed_pairs(policy_context, then)),
        exact=found.exact,
        yaml=applied.yaml,
        tolerates=[_toleration_part(entry) for entry in applied.added],
        sound=applied.is_sound and is_complete,
        notes=address_pool_notes(applied.project),
        step=FirstStepPart(step.sentence, step.yaml, step.closes, step.leaves_open) if step else None,
    )


def _toleration_part(entry: TolerationEntry) -> TolerationPart:
    return TolerationPart(entry.get("flow") or f"network {entry['network']}", entry["why"])


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
