"""A proof from beginning to end: resolve, look, predict, ask, judge, write down."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cloison.commands.options import PATIENCE
from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.errors import NotProven
from cloison.model.facts import Facts, Flow, Protocol, Vantage
from cloison.model.outcome import Reach
from cloison.predict import predictor
from cloison.proof import build as proof_build
from cloison.proof.schema import Circumstances, FindingPart, Machine, Proof, SkippedPart, Tool
from cloison.rehearse.compose_file import Rehearsal
from cloison.remote.protocol import Errand
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.reasons import Case, pings

if TYPE_CHECKING:
    from cloison.observe.external_host import Outside
    from cloison.observe.observer import Sight, View
    from cloison.rehearse.environment import Start


@dataclass(frozen=True, slots=True)
class Request:
    """Which project to prove, and how patiently."""

    selection: compose_cli.Selection
    patience: float = PATIENCE


def prove(request: Request, talk: Callable[[str], None] = lambda _: None) -> Proof:
    """Prove a running project.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    talk("resolving the Compose file")
    document = resolved(request.selection, *FOR_LOOKING)
    from cloison.workflow import prove as workflow_prove

    return workflow_prove.answer(Errand(dict(document), request.patience, is_rehearsal=False), talk)


FOR_LOOKING = ("cloison.workflow.prove", "cloison.observe.session", "cloison.audit.run", "cloison.engine.select")


def resolved(selection: compose_cli.Selection, *modules: str) -> Mapping[str, Any]:
    """Have Compose read the file, and import these modules meanwhile: netlink and the engine's API take as long."""
    with ThreadPoolExecutor(1) as pool:
        resolving = pool.submit(compose_cli.resolved, selection)
        for module in modules:
            importlib.import_module(module)
        return resolving.result()


def here(errand: Errand, talk: Callable[[str], None], start: Start | None = None) -> Proof:
    """Do an errand on this machine, the engine's own; `start` is how Compose starts a rehearsal, if not here.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    if not errand.is_rehearsal:
        return prove_project(compose_project.project(errand.document), errand.patience, talk)
    from cloison.observe import external_host  # imports that a proof need not pay
    from cloison.rehearse import environment as rehearse_environment

    with (
        external_host.joined() as away,  # first, for it is the name server of the containers
        rehearse_environment.staged(
            errand.document, talk, start or rehearse_environment.compose, resolver=away.addresses[0]
        ) as rehearsal,
    ):
        project = compose_project.project(rehearsal.document)
        return prove_project(project, errand.patience, talk, rehearsal=rehearsal, away=away)


def prove_project(
    project: compose_project.Project,
    patience: float,
    talk: Callable[[str], None] = lambda _: None,
    *,
    rehearsal: Rehearsal | None = None,
    away: Outside | None = None,
) -> Proof:
    """Prove a project whose file is resolved already; `patience` in seconds.

    In a `rehearsal` nobody listens, so the prober does, on every port that the file or the policy names;
    `away` is the outside machine that its containers know.
    """
    # What was asked, predicted and seen goes before the document is made: it takes as much memory.
    case, judged, controls, circumstances = _judged(project, patience, talk, rehearsal, away)
    return proof_build.assemble(case, judged, controls, circumstances)


def _judged(
    project: compose_project.Project,
    patience: float,
    talk: Callable[[str], None],
    rehearsal: Rehearsal | None,
    away: Outside | None,
) -> tuple[Case, list[verdict_judge.Judged], dict[Vantage, tuple[str, str]], Circumstances]:
    """Look, and hold against each other what is intended, predicted and seen."""
    from cloison.engine import select as engine_select
    from cloison.observe import session as observe_session  # resolved() has them ready

    started, clock = datetime.now(UTC), time.monotonic()
    rules = policy.policy(project)
    stand_ins = flow_enumeration.declared(project, _named(project, rules)) if rehearsal else {}
    talk("taking up a post in every container")
    with closing(engine_select.engine()) as engine, observe_session.looking(engine, project, stand_ins, away) as view:
        _refuse_nothing(project, view.facts)
        case = Case(project, view.facts, rules)
        asked = _asked(case, view.failures)
        predicted = predictor.predict(project, view.facts, asked)
        intended = verdict_intent.intended(project, rules, predicted)
        talk(f"probing {len(asked)} flows")
        with ThreadPoolExecutor(1) as pool:  # it enters namespaces as the prober does, and a thread moves alone
            found = pool.submit(_findings, view, patience, is_rehearsal=rehearsal is not None)
            sight = view.observe(asked, patience)
        findings = found.result()
    judged = verdict_judge.compare(intended, predicted, sight.observed)
    controls = {vantage: (c.positive, c.negative) for vantage, c in sight.controls.items()}
    took = (started, time.monotonic() - clock, patience)
    circumstances = _circumstances(*took, sight, rehearsal)
    circumstances = replace(circumstances, findings=findings, notes=(*circumstances.notes, *_droppers(judged)))
    return case, judged, controls, circumstances


def _droppers(judged: Iterable[verdict_judge.Judged]) -> list[str]:
    """Name the chains in which a packet may have been lost that ought to have passed, where one was."""
    if not any(i.prediction.reach is Reach.OPEN and i.observation.reach is Reach.SHUT for i in judged):
        return []
    from cloison.linux.netfilter import other_policies

    return [
        f"what ought to pass and is lost may end in the chain {chain}: it drops what none of its rules lets pass"
        for chain in other_policies()
    ]


def _findings(view: View, patience: float, *, is_rehearsal: bool) -> tuple[FindingPart, ...]:
    from cloison.audit import dns_leak_check, loopback_exposure_check
    from cloison.audit import run as audit_run
    from cloison.engine.connection import socket_path

    beside = audit_run.Beside(view.project.name, view.facts, socket_path(), patience, idle=is_rehearsal)
    found = loopback_exposure_check.let_in(view, audit_run.findings(beside), patience)
    if is_rehearsal:  # what can be tried need not be told from a version
        found = [finding for finding in found if finding.what != dns_leak_check.GATE] + dns_leak_check.let_out(
            view, patience
        )
    return tuple(FindingPart(f.what, f.where, f.sentence, f.evidence, f.source) for f in found)


def _named(project: compose_project.Project, rules: policy.Policy | None) -> dict[str, set[tuple[Protocol, int]]]:
    return {service: policy.named_ports(rules, service) for service in project.services}


def _refuse_nothing(project: compose_project.Project, facts: Facts) -> None:
    if not any(c.pid and c.project == project.name for c in facts.containers):
        raise NotProven(
            f'no container of project "{project.name}" is running; start it with `cloison up` or `docker compose up -d`'
        )


def _asked(case: Case, unseen: Collection[str]) -> list[Flow]:
    """Return the flows to ask about, after the policy has been held against what the project really has.

    Where a container could not be looked at (`unseen`), nobody knows its service's ports.
    """
    blind = {container.service for container in case.facts.containers if container.name in unseen}
    known = {
        name: ports
        for name, ports in flow_enumeration.known_ports(case.project, case.facts).items()
        if name not in blind
    }
    if case.policy:
        policy.check_ports(case.policy, known)
    asked = flow_enumeration.flows(case.project, case.facts, _named(case.project, case.policy))
    if case.policy:
        policy.check_cover(case.policy, asked, flow_enumeration.finished(case.project, case.facts))
    return asked


def _circumstances(
    started: datetime, seconds: float, patience: float, sight: Sight, rehearsal: Rehearsal | None
) -> Circumstances:
    system = os.uname()
    left_out = [*(rehearsal.left_out if rehearsal else ())]
    left_out += sight.left_out
    return Circumstances(
        tool=Tool("cloison", version("cloison")),
        machine=Machine(system.nodename, f"{system.sysname} {system.release}"),
        started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_ms=round(seconds * 1000),
        patience_ms=round(patience * 1000),
        notes=(*(rehearsal.notes if rehearsal else ()), *pings(sight.pings)),
        left_out=tuple(SkippedPart(what, why) for what, why in left_out),
    )
