"""A proof from beginning to end: resolve, look, predict, ask, judge, write down."""

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
    """Do an errand on this machine, the engine's own; `start` is how Compose starts a rehearsal, if not here.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    if not request.is_rehearsal:
        return prove_project(compose_project.project(request.document), request.timeout, progress)
    from cloison.observe.external_host import external_host  # imports that a proof need not pay
    from cloison.rehearse import environment as rehearse_environment

    with (
        external_host() as external,  # first, for it is the name server of the containers
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
    """Prove a project whose file is resolved already; `patience` in seconds.

    In a `rehearsal` nobody listens, so the prober does, on every port that the file or the policy names;
    `away` is the outside machine that its containers know.
    """
    # What was asked, predicted and seen goes before the document is made: it takes as much memory.
    inputs, judged, controls, run_context = _observe_and_judge(project, timeout, progress, rehearsal, external)
    return proof_build.build_proof(inputs, judged, controls, run_context)


def _observe_and_judge(
    project: compose_project.Project,
    timeout: float,
    progress: Callable[[str], None],
    rehearsal: Rehearsal | None,
    external: ExternalHost | None,
) -> tuple[ProofInputs, list[verdict_judge.JudgedFlow], dict[Vantage, tuple[str, str]], RunContext]:
    """Look, and hold against each other what is intended, predicted and seen."""
    from cloison.audit.run import audit
    from cloison.engine import select as engine_select
    from cloison.observe import session as observe_session  # resolved() has them ready

    started, clock = datetime.now(UTC), time.monotonic()
    policy_rules = policy.policy(project)
    stand_ins = flow_enumeration.declared_ports(project, _policy_ports(project, policy_rules)) if rehearsal else {}
    progress("taking up a post in every container")
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
        with ThreadPoolExecutor(1) as pool:  # it enters namespaces as the prober does, and a thread moves alone
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
    """Name the chains in which a packet may have been lost that ought to have passed, where one was."""
    if not any(i.prediction.reach is Reach.OPEN and i.observation.reach is Reach.SHUT for i in judged):
        return []
    from cloison.linux.netfilter import other_drop_chains

    return [
        f"what ought to pass and is lost may end in the chain {chain}: it drops what none of its rules lets pass"
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
    """Return the flows to ask about, after the policy has been held against what the project really has.

    Where a container could not be looked at (`unseen`), nobody knows its service's ports.
    """
    unobserved_services = {container.service for container in inputs.facts.containers if container.name in unseen}
    known = {
        name: ports
        for name, ports in flow_enumeration.known_ports(inputs.project, inputs.facts).items()
        if name not in unobserved_services
    }
    if inputs.policy:
        policy.check_ports(inputs.policy, known)
    probed_flows = flow_enumeration.flows(inputs.project, inputs.facts, _policy_ports(inputs.project, inputs.policy))
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
