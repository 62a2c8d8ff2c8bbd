"""Runs a proof on this machine from beginning to end: enumerate flows, predict, probe, judge, build the document.

Input: a resolved project, or an `AgentRequest`. Output: a `Proof`.
Rule: pure packages compute intended and predicted reach before the probes, and the judgements after them; this module
fixes the order of the steps and passes their results on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.enforce.prediction import with_enforcement
from cloison.errors import NotProven
from cloison.model.facts import Facts
from cloison.model.flow import Flow, Protocol, Vantage
from cloison.model.outcome import Observation, Reach
from cloison.predict import predictor
from cloison.predict.context import Prediction
from cloison.predict.egress_networks import predicted_egress
from cloison.remote.protocol import AgentRequest
from cloison.verdict import egress_networks, flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.intent import Intention
from cloison.verdict.reasons import ProofInputs, pings
from cloison.workflow import background, imports
from cloison.workflow.collector import paused_collector
from cloison.workflow.request import default_deadline

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cloison.findings.container_risks import Risk
    from cloison.observe.external_host import ExternalHost
    from cloison.observe.observer import Observations, ProbeSession
    from cloison.proof.schema import FindingPart, Proof, RunContext
    from cloison.rehearse.compose_file import Rehearsal
    from cloison.rehearse.environment import ComposeStarter


def prove_locally(request: AgentRequest, progress: Callable[[str], None], start: ComposeStarter | None = None) -> Proof:
    """Prove or rehearse a request on this machine; `start` runs Compose for a rehearsal, by default on this machine.

    Raises a CloisonError if there is nothing to judge: see `errors`.
    """
    if not request.is_rehearsal:
        return prove_project(
            compose_project.project(request.document), request.timeout, progress, deadline=request.deadline
        )
    from cloison.observe.external_host import external_host  # slow imports, which a proof does not need
    from cloison.rehearse import environment as rehearse_environment

    with (
        external_host() as external,  # before the containers, whose name server it is
        rehearse_environment.rehearsal_environment(
            request.document, progress, start or rehearse_environment.compose, resolver=external.addresses[0]
        ) as rehearsal,
    ):
        project = compose_project.project(rehearsal.document)
        return prove_project(
            project, request.timeout, progress, rehearsal=rehearsal, external=external, deadline=request.deadline
        )


def prove_project(  # noqa: PLR0913  # all but two are optional and given by name
    project: compose_project.Project,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
    *,
    rehearsal: Rehearsal | None = None,
    external: ExternalHost | None = None,
    deadline: float = 0,
) -> Proof:
    """Prove a project whose file is resolved already; `timeout` is seconds to wait for replies.

    After `deadline` seconds, by default those of `default_deadline`, flows without an answer are unknown.
    In a `rehearsal` the prober itself listens on every port that the file or the policy names, and `external` is the
    external host that serves as the containers' name server.
    """
    # The flows' predictions and observations are released before the document is built, which needs as much memory.
    waits = Waits(timeout, deadline)
    with paused_collector():
        inputs, judged, controls, run_context = _observe_and_judge(project, waits, progress, rehearsal, external)
        from cloison.proof import build as proof_build  # import_late() has imported it

        return proof_build.build_proof(inputs, judged, controls, run_context)


@dataclass(slots=True)
class Waits:
    """How long a proof waits, in seconds: for replies, and in all (0 until its flows are known, unless it is given)."""

    timeout: float
    deadline: float
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return max(0.0, self.started + self.deadline - time.monotonic())

    @property
    def reason(self) -> str:
        """The reason why something is unknown after the deadline."""
        return f"the proof's deadline of {self.deadline:.0f} s passed"


def _observe_and_judge(
    project: compose_project.Project,
    waits: Waits,
    progress: Callable[[str], None],
    rehearsal: Rehearsal | None,
    external: ExternalHost | None,
) -> tuple[ProofInputs, list[verdict_judge.JudgedFlow], dict[Vantage, tuple[str, str]], RunContext]:
    """Probe the flows of a project, and judge them by their intended, predicted and observed reach."""
    from cloison.engine import select as engine_select
    from cloison.observe import dropped_packets  # resolved() has imported these modules
    from cloison.observe import session as observe_session
    from cloison.workflow import standing

    started = datetime.now(UTC)
    policy_rules = policy.policy(project)
    policy.check_publications(project)
    stand_ins = flow_enumeration.declared_ports(project, _policy_ports(project, policy_rules)) if rehearsal else {}
    progress("opening probe sockets in every container")
    with (
        closing(engine_select.engine()) as engine,
        observe_session.probe_session(engine, project, stand_ins, external) as session,
    ):
        _require_running_container(project, session.facts)
        in_use = None if rehearsal else standing.in_use(session)  # before the probes
        inputs = ProofInputs(project, session.facts, policy_rules)
        probed_flows = _flows_to_probe(inputs, session.failures)
        predicted = predictor.predict(project, session.facts, probed_flows)
        if session.facts.is_enforced:
            predicted = with_enforcement(project, policy_rules, session.facts, predicted)
        intended = verdict_intent.intended(
            project,
            policy_rules,
            predicted,
            session.facts.egress_networks,
            session.facts.network_namespaces,
        )
        progress(f"probing {len(probed_flows)} flows")
        waits.deadline = waits.deadline or default_deadline(len(probed_flows), waits.timeout)
        session.prober.deadline, session.prober.deadline_reason = waits.started + waits.deadline, waits.reason
        # setns(2) moves one thread only, so audit and prober do not interfere.
        imports.import_late()
        own = _own_probes(project, session.facts)
        risks = background.started(lambda: _risks(session, waits, is_rehearsal=rehearsal is not None))
        try:
            observations = session.observe(probed_flows, waits.timeout)
            lost = [
                flow
                for flow, found in observations.observed.items()
                if found.reach is Reach.SHUT and predicted[flow].reach is Reach.OPEN
            ]
            dropping = [*dropped_packets.dropping_chains(session, lost), *(_dropping_chains() if lost else ())]
        finally:
            wait([risks], waits.left())  # its sockets must not be closed while it uses them
            own.close()
        findings = _findings(risks, waits)
    judged = _judged(inputs, intended, predicted, observations.observed)
    controls = {vantage: (c.positive, c.negative) for vantage, c in observations.controls.items()}
    run_context = _circumstances(started, waits, observations, rehearsal)
    engine_facts = inputs.facts.engine
    from cloison.plan.proof_advice import proof_advice  # import_late() has imported it

    run_context = replace(
        run_context,
        findings=findings,
        in_use=in_use,
        learned=None if rehearsal else standing.learned(project, policy_rules),
        notes=(*run_context.notes, *dropping),
        advice=proof_advice(project, engine_facts.name, engine_facts.version, judged),
    )
    return inputs, judged, controls, run_context


def _risks(session: ProbeSession, waits: Waits, *, is_rehearsal: bool) -> list[Risk]:
    from cloison.audit.run import audit  # while the prober waits for replies

    return audit(session, waits.timeout, is_rehearsal=is_rehearsal)


def _findings(risks: Future[list[Risk]], waits: Waits) -> tuple[FindingPart, ...]:
    from cloison.audit.run import checked
    from cloison.proof.schema import FindingPart

    found = checked("the security audit", lambda: background.result_within(risks, waits.left(), waits.reason))
    return tuple(FindingPart(r.what, r.where, r.sentence, r.evidence, r.source) for r in found)


def _judged(
    inputs: ProofInputs,
    intended: Mapping[Flow, Intention],
    predicted: Mapping[Flow, Prediction],
    observed: Mapping[Flow, Observation],
) -> list[verdict_judge.JudgedFlow]:
    """Return the judged flows, those to other machines by the networks that carry them."""
    seen = egress_networks.by_container(inputs.facts.egress_networks)
    by_file = egress_networks.by_container(predicted_egress(inputs.project, inputs.facts))
    predicted = egress_networks.predictions_by_egress(intended, predicted, seen, by_file)
    needed = egress_networks.needed_egress(intended, lambda flow: observed[flow].reach is Reach.SHUT)
    return verdict_judge.compare(needed, predicted, egress_networks.certain(observed, needed, seen))


def _own_probes(project: compose_project.Project, facts: Facts) -> ExitStack:
    """Return a context that lasts until `close`: what is counted in it is no use of the policy's lines."""
    stack = ExitStack()
    if facts.is_enforced:
        from cloison.workflow.learn_usage import own_probes  # slow, and few need it

        stack.enter_context(own_probes(project, facts))
    return stack


def _dropping_chains() -> list[str]:
    """Return notes about chains with the policy DROP, which may drop packets of flows that should be open."""
    from cloison.linux.netfilter import other_drop_chains

    return [
        f"packets of flows that should be open may be dropped by the chain {chain}: its policy is DROP"
        for chain in other_drop_chains()
    ]


def _policy_ports(
    project: compose_project.Project, policy_rules: policy.Policy | None
) -> dict[str, set[tuple[Protocol, int]]]:
    return {service: policy.named_ports(policy_rules, service) for service in project.services}


def _require_running_container(project: compose_project.Project, facts: Facts) -> None:
    if not any(c.pid and c.project == project.name for c in facts.containers):
        raise NotProven(
            f'no container of project "{project.name}" is running; start it with `cloison up` or `docker compose up -d`'
        )


def _flows_to_probe(inputs: ProofInputs, unseen: Collection[str]) -> list[Flow]:
    """Return the flows to probe, after the policy's ports and rules have been checked against the project.

    The ports of a service are unknown if a container of it could not be entered (`unseen`).
    """
    unobserved_services = {container.service for container in inputs.facts.containers if container.name in unseen}
    known = {
        name: ports
        for name, ports in flow_enumeration.known_ports(inputs.project, inputs.facts).items()
        if name not in unobserved_services
    }
    if inputs.policy:
        policy.check_ports(inputs.policy, known)
    probed_flows = flow_enumeration.flows(
        inputs.project,
        inputs.facts,
        _policy_ports(inputs.project, inputs.policy),
        policy.tolerated_devices(inputs.policy),
    )
    if inputs.policy:
        policy.check_rules_match(inputs.policy, probed_flows, flow_enumeration.completed(inputs.project, inputs.facts))
    return probed_flows


def _circumstances(
    started: datetime, waits: Waits, observations: Observations, rehearsal: Rehearsal | None
) -> RunContext:
    from importlib.metadata import version

    from cloison.proof.schema import Machine, RunContext, SkippedPart, Tool

    system = os.uname()
    not_probed = [*(rehearsal.left_out if rehearsal else ())]
    not_probed += observations.not_probed
    return RunContext(
        tool=Tool("cloison", version("cloison")),
        machine=Machine(system.nodename, f"{system.sysname} {system.release}"),
        started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_ms=round((time.monotonic() - waits.started) * 1000),
        patience_ms=round(waits.timeout * 1000),
        deadline_ms=round(waits.deadline * 1000),
        notes=(*(rehearsal.notes if rehearsal else ()), *pings(observations.pings), *observations.notes),
        not_probed=tuple(SkippedPart(what, why) for what, why in not_probed),
    )
