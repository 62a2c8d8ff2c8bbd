"""The builder of the proof document.

Input: the project, facts and policy, the judged flows, the controls of every vantage, and the context of the run.
Output: a `Proof`. Rule: the same inputs give the same document; nothing here reads a clock or the host. The verdict is
derived from the document's other parts, as its readers do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import Facts
from cloison.model.flow import Endpoint, Vantage
from cloison.model.outcome import Reach
from cloison.proof.schema import (
    Coverage,
    EndpointPart,
    EnginePart,
    FlowPart,
    NetworkPart,
    PolicyPart,
    ProjectPart,
    Proof,
    RunContext,
    ServicePart,
    SkippedPart,
    TolerationPart,
    VantagePart,
    Verdict,
)
from cloison.verdict import flow_enumeration
from cloison.verdict.judge import JudgedFlow, Judgement
from cloison.verdict.reasons import ProofInputs, notes, reason
from cloison_view import verdict as view_verdict


def build_proof(
    inputs: ProofInputs,
    judged: Sequence[JudgedFlow],
    controls: Mapping[Vantage, tuple[str, str]],
    run_context: RunContext,
) -> Proof:
    """Return the proof document. `controls` maps every vantage to its positive and its negative control."""
    project, facts, rules = inputs.project, inputs.facts, inputs.policy
    vantages, ends = sorted(controls), sorted({item.flow.endpoint for item in judged})
    coverage = _coverage(project, facts, judged, run_context.not_probed)
    judgements, policy = {item.judgement for item in judged}, policy_part(rules)
    derived = view_verdict.verdict(judgements, has_policy=policy is not None, is_complete=coverage.complete)
    return Proof(
        schema_version="2",
        tool=run_context.tool,
        verdict=msgspec.convert(derived._asdict(), Verdict),
        project=project_part(project, facts),
        machine=run_context.machine,
        engine=msgspec.convert(facts.engine, EnginePart, from_attributes=True),
        started=run_context.started,
        duration_ms=run_context.duration_ms,
        patience_ms=run_context.patience_ms,
        policy=policy,
        vantages=_vantages(facts, vantages, controls),
        endpoints=[endpoint_part(end) for end in ends],
        flows=_flows(judged, vantages, ends, has_policy=policy is not None),
        totals=_totals(judged),
        findings=list(run_context.findings),
        coverage=coverage,
        notes=[*run_context.notes, *notes(inputs, judged)],
        deadline_ms=run_context.deadline_ms,
        advice=list(run_context.advice),
        in_use=None if run_context.in_use is None else list(run_context.in_use),
        learned=run_context.learned,
    )


def _vantages(
    facts: Facts, vantages: Sequence[Vantage], controls: Mapping[Vantage, tuple[str, str]]
) -> list[VantagePart]:
    origins = {c.name: (c.origin, c.via) for c in facts.containers}
    return [VantagePart(v.place, v.container, *controls[v], *origins.get(v.container, ())) for v in vantages]


def project_part(project: Project, facts: Facts) -> ProjectPart:
    """Return the project's part, with the networks of the file and of the engine."""
    names = {network.name for network in facts.networks} | {n.name for n in project.networks.values()}
    return ProjectPart(
        project.name,
        [
            ServicePart(s.name, list(project.attached_networks(s.name)), s.replicas)
            for _, s in sorted(project.services.items())
        ],
        [_network(project, facts, name) for name in sorted(names)],
    )


def _network(project: Project, facts: Facts, name: str) -> NetworkPart:
    fact, file_network = facts.network(name), project.network_named(name)
    return NetworkPart(
        name=name,
        key=file_network.key if file_network else "",
        driver=fact.driver if fact else file_network.driver if file_network else "",
        internal=fact.internal if fact else bool(file_network and file_network.internal),
        external=bool(file_network and file_network.external),
    )


def policy_part(rules: Policy | None) -> PolicyPart | None:
    """Return the policy as the file writes it, None without one."""
    if rules is None:
        return None
    # A text with lists has several rules and one position.
    allowed = {rule.where: rule.text for rule in rules.allow}
    tolerated = {item.where: TolerationPart(item.text, item.why, item.keep) for item in rules.tolerate}
    groups = {name: list(members) for name, members in rules.groups.items()}
    return PolicyPart([*allowed.values()], [*tolerated.values()], groups)


def endpoint_part(end: Endpoint) -> EndpointPart:
    """Return the part of an endpoint."""
    return EndpointPart(
        end.place, end.container, end.kind, end.protocol, end.service_port, end.network, end.address, end.port
    )


def _flows(
    judged: Sequence[JudgedFlow], vantages: Sequence[Vantage], ends: Sequence[Endpoint], *, has_policy: bool
) -> list[FlowPart]:
    vantage_at = {vantage: position for position, vantage in enumerate(vantages)}
    end_at = {end: position for position, end in enumerate(ends)}
    reasons: dict[tuple[int, int, int], str] = {}  # flows with the same answers share one string
    parts = []
    for item in judged:
        key = (id(item.intention), id(item.prediction), id(item.observation))
        text = reasons.get(key)
        if text is None:
            text = reasons[key] = reason(item, has_policy=has_policy)
        parts.append(
            FlowPart(
                vantage=vantage_at[item.flow.vantage],
                endpoint=end_at[item.flow.endpoint],
                intended=item.intention.intent,
                intended_by=item.intention.where,
                predicted=item.prediction.reach,
                rule=item.prediction.rule,
                observed=item.observation.reach,
                outcome=item.observation.outcome,
                evidence=item.observation.evidence,
                judgement=item.judgement,
                cause=item.cause,
                drift=item.drift,
                reason=text,
            )
        )
    return parts


def _totals(judged: Iterable[JudgedFlow]) -> dict[str, int]:
    counted = Counter(item.judgement for item in judged)
    drifted = sum(item.drift for item in judged)
    return {**{word.value: counted[word] for word in Judgement}, "drift": drifted}


def _coverage(
    project: Project, facts: Facts, judged: Sequence[JudgedFlow], not_probed: Sequence[SkippedPart]
) -> Coverage:
    absent = flow_enumeration.absent(project, facts)
    unknown = sum(item.observation.reach is Reach.UNKNOWN for item in judged)
    skipped = [*not_probed, *(SkippedPart(what, why) for what, why in flow_enumeration.skipped(project, facts))]
    complete = view_verdict.is_complete(len(judged), absent, (part.why for part in skipped))
    return Coverage(len(judged), unknown, absent, skipped, complete=complete)
