"""Runs a proof on this machine from beginning to end: enumerate flows, predict, probe, judge, build the document.

Input: a resolved project, or an `AgentRequest`. Output: a `Proof`.
Rule: pure packages compute intended and predicted reach before the probes, and the judgements after them; this module
fixes the order of the steps and passes their results on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.errors import NotProven
from cloison.model.facts import Facts
from cloison.model.flow import Flow, Protocol, Vantage
from cloison.model.outcome import Reach
from cloison.predict import predictor
from cloison.proof import build as proof_build
from cloison.proof.schema import FindingPart, Machine, Proof, RunContext, SkippedPart, Tool
from cloison.rehearse.compose_file import Rehearsal
from cloison.remote.protocol import AgentRequest
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.reasons import ProofInputs, pings

if TYPE_CHECKING:
    from cloison.observe.external_host import ExternalHost
    from cloison.observe.observer import Observations
    from cloison.rehearse.environment import ComposeStarter


def prove_locally(request: AgentRequest, progress: Callable[[str], None], start: ComposeStarter | None = None) -> Proof:
    """Prove or rehearse a request on this machine; `start` runs Compose for a rehearsal, by default on this machine.

    Raises a CloisonError if there is nothing to judge: see `errors`.
    """
    if not request.is_rehearsal:
        return prove_project(compose_project.project(request.document), request.timeout, progress)
    from cloison.observe.external_host import external_host  # slow imports, which a proof does not need
    from cloison.rehearse import environment as rehearse_environment

    with (
        external_host() as external,  # before the containers, whose name server it is
        rehearse_environment.rehearsal_environment(
            request.document, progress, start or rehearse_environment.compose, resolver=external.addresses[0]
        ) as rehearsal,
    ):
        project = compose_project.project(rehearsal.document)
        return prove_project(project, request.timeout, progress, rehearsal=rehearsal, external=external)


def prove_project(
    project: compose_project.Project,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
    *,
    rehearsal: Rehearsal | None = None,
    external: ExternalHost | None = None,
) -> Proof:
    """Prove a project whose file is resolved already; `timeout` is seconds to wait for replies.

    In a `rehearsal` the prober itself listens on every port that the file or the policy names, and `external` is the
    external host that serves as the containers' name server.
    """
    # The flows' predictions and observations are released before the document is built, which needs as much memory.
    inputs, judged, controls, run_context = _observe_and_judge(project, timeout, progress, rehearsal, external)
    return proof_build.build_proof(inputs, judged, controls, run_context)


def _observe_and_judge(
    project: compose_project.Project,
    timeout: float,
    progress: Callable[[str], None],
    rehearsal: Rehearsal | None,
    external: ExternalHost | None,
) -> tuple[ProofInputs, list[verdict_judge.JudgedFlow], dict[Vantage, tuple[str, str]], RunContext]:
    """Probe the flows of a project, and judge them by their intended, predicted and observed reach."""
    from cloison.audit.run import audit
    from cloison.engine import select as engine_select
    from cloison.observe import session as observe_session  # resolved() has imported these modules

    started, clock = datetime.now(UTC), time.monotonic()
    policy_rules = policy.policy(project)
    stand_ins = flow_enumeration.declared_ports(project, _policy_ports(project, policy_rules)) if rehearsal else {}
    progress("opening probe sockets in every container")
    with (
        closing(engine_select.engine()) as engine,
        observe_session.probe_session(engine, project, stand_ins, external) as session,
    ):
        _require_running_container(project, session.facts)
        inputs = ProofInputs(project, session.facts, policy_rules)
        probed_flows = _flows_to_probe(inputs, session.failures)
        predicted = predictor.predict(project, session.facts, probed_flows)
        intended = verdict_intent.intended(project, policy_rules, predicted)
        progress(f"probing {len(probed_flows)} flows")
        with ThreadPoolExecutor(1) as pool:  # setns(2) moves one thread only, so audit and prober do not interfere
            risks = pool.submit(audit, session, timeout, is_rehearsal=rehearsal is not None)
            observations = session.observe(probed_flows, timeout)
        findings = tuple(FindingPart(r.what, r.where, r.sentence, r.evidence, r.source) for r in risks.result())
    judged = verdict_judge.compare(intended, predicted, observations.observed)
    controls = {vantage: (c.positive, c.negative) for vantage, c in observations.controls.items()}
    timing = (started, time.monotonic() - clock, timeout)
    run_context = _circumstances(*timing, observations, rehearsal)
    run_context = replace(
        run_context, findings=findings, notes=(*run_context.notes, *_dropping_chains(judged), *_unread_chains())
    )
    return inputs, judged, controls, run_context


def _dropping_chains(judged: Iterable[verdict_judge.JudgedFlow]) -> list[str]:
    """Return notes about chains with the policy DROP, if a flow that is predicted open is observed shut."""
    if not any(i.prediction.reach is Reach.OPEN and i.observation.reach is Reach.SHUT for i in judged):
        return []
    from cloison.linux.netfilter import other_drop_chains

    return [
        f"packets of flows that should be open may be dropped by the chain {chain}: its policy is DROP"
        for chain in other_drop_chains()
    ]


def _unread_chains() -> list[str]:
    """Name the chains of the host that may redirect a port to the project and that no probe follows."""
    from cloison.engine.select import TABLES
    from cloison.linux.netfilter import foreign_dnat_chains

    return [
        f"the chain {chain} may translate destinations, and no engine made it: ports that it redirects are not probed"
        for chain in foreign_dnat_chains(TABLES)
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
    started: datetime, seconds: float, timeout: float, observations: Observations, rehearsal: Rehearsal | None
) -> RunContext:
    system = os.uname()
    not_probed = [*(rehearsal.left_out if rehearsal else ())]
    not_probed += observations.not_probed
    return RunContext(
        tool=Tool("cloison", version("cloison")),
        machine=Machine(system.nodename, f"{system.sysname} {system.release}"),
        started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_ms=round(seconds * 1000),
        patience_ms=round(timeout * 1000),
        notes=(*(rehearsal.notes if rehearsal else ()), *pings(observations.pings)),
        not_probed=tuple(SkippedPart(what, why) for what, why in not_probed),
    )
