"""A proof from beginning to end: resolve, look, predict, ask, judge, write down."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from cloison import assemble, compare, compose, composer, flows, intention, policy, predict
from cloison.errand import Errand
from cloison.errors import NotProven
from cloison.explain import Case, pings
from cloison.model import Facts, Flow, Protocol
from cloison.proof import Circumstances, FindingPart, Machine, Proof, SkippedPart, Tool
from cloison.rehearsal import Rehearsal

if TYPE_CHECKING:
    from cloison.observe import Sight
    from cloison.stage import Start

PATIENCE: Final = 0.5
"""Seconds to wait for silence: two SYNs, half of it after each.

On one machine the kernel answers within microseconds, whatever the processes do; while answers
still trickle in, the prober waits longer by itself.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """Which project to prove, and how patiently."""

    selection: composer.Selection
    patience: float = PATIENCE


def prove(request: Request, talk: Callable[[str], None] = lambda _: None) -> Proof:
    """Prove a running project.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    talk("resolving the Compose file")
    with ThreadPoolExecutor(1) as pool:
        resolving = pool.submit(composer.resolved, request.selection)
        # Half a second of imports, while Compose reads the file.
        sending = importlib.import_module("cloison.commands.sending")
        if os.geteuid() == 0:
            importlib.import_module("cloison.looking")
            importlib.import_module("cloison.attackers")
        errand = Errand(dict(resolving.result()), request.patience, is_rehearsal=False)
    proof: Proof = sending.answer(errand, talk)
    return proof


def here(errand: Errand, talk: Callable[[str], None], start: Start | None = None) -> Proof:
    """Do an errand on this machine, the engine's own; `start` is how Compose starts a rehearsal, if not here.

    Raises a CloisonError when there is nothing to judge: see `errors`.
    """
    if not errand.is_rehearsal:
        return prove_project(compose.project(errand.document), errand.patience, talk)
    from cloison import stage  # noqa: PLC0415  # imports that a proof need not pay

    with stage.staged(errand.document, talk, start or stage.compose) as rehearsal:
        project = compose.project(rehearsal.document)
        return prove_project(project, errand.patience, talk, rehearsal=rehearsal)


def prove_project(
    project: compose.Project,
    patience: float,
    talk: Callable[[str], None] = lambda _: None,
    *,
    rehearsal: Rehearsal | None = None,
) -> Proof:
    """Prove a project whose file is resolved already; `patience` in seconds.

    In a `rehearsal` nobody listens, so the prober does, on every port that the file or the policy names.
    """
    from cloison import attackers, looking  # noqa: PLC0415  # prove() says why
    from cloison.engines import choice  # noqa: PLC0415  # same
    from cloison.engines.connection import socket_path  # noqa: PLC0415  # same

    started, clock = datetime.now(UTC), time.monotonic()
    rules = policy.policy(project)
    stand_ins = flows.declared(project, _named(project, rules)) if rehearsal else {}
    talk("taking up a post in every container")
    with closing(choice.engine()) as engine, looking.looking(engine, project, stand_ins) as view:
        _refuse_nothing(project, view.facts)
        case = Case(project, view.facts, rules)
        asked = _asked(case, view.failures)
        predicted = predict.predict(project, view.facts, asked)
        intended = intention.intended(project, rules, {flow: p.reach for flow, p in predicted.items()})
        talk(f"probing {len(asked)} flows")
        with ThreadPoolExecutor(1) as pool:  # it enters namespaces as the prober does, and a thread moves alone
            beside = attackers.Beside(project.name, view.facts, socket_path(), patience, idle=rehearsal is not None)
            found = pool.submit(attackers.findings, beside)
            sight = view.observe(asked, patience)
        findings = tuple(FindingPart(f.what, f.where, f.sentence, f.evidence, f.source) for f in found.result())
    judged = compare.compare(intended, predicted, sight.observed)
    controls = {vantage: (c.positive, c.negative) for vantage, c in sight.controls.items()}
    took = (started, time.monotonic() - clock, patience)
    circumstances = replace(_circumstances(*took, sight, rehearsal), findings=findings)
    return assemble.assemble(case, judged, controls, circumstances)


def _named(project: compose.Project, rules: policy.Policy | None) -> dict[str, set[tuple[Protocol, int]]]:
    return {service: policy.named_ports(rules, service) for service in project.services}


def _refuse_nothing(project: compose.Project, facts: Facts) -> None:
    if not any(c.pid and c.project == project.name for c in facts.containers):
        raise NotProven(
            f'no container of project "{project.name}" is running; start it with `cloison up` or `docker compose up -d`'
        )


def _asked(case: Case, unseen: Collection[str]) -> list[Flow]:
    """Return the flows to ask about, after the policy has been held against what the project really has.

    Where a container could not be looked at (`unseen`), nobody knows its service's ports.
    """
    blind = {container.service for container in case.facts.containers if container.name in unseen}
    known = {name: ports for name, ports in flows.known_ports(case.project, case.facts).items() if name not in blind}
    if case.policy:
        policy.check_ports(case.policy, known)
    asked = flows.flows(case.project, case.facts, _named(case.project, case.policy))
    if case.policy:
        policy.check_cover(case.policy, asked, flows.finished(case.project, case.facts))
    return asked


def _circumstances(
    started: datetime, seconds: float, patience: float, sight: Sight, rehearsal: Rehearsal | None
) -> Circumstances:
    system = os.uname()
    left_out = [*(rehearsal.left_out if rehearsal else ())]
    left_out += [(f"container {name}", "it came while the proof was running") for name in sight.newcomers]
    return Circumstances(
        tool=Tool("cloison", version("cloison")),
        machine=Machine(system.nodename, f"{system.sysname} {system.release}"),
        started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_ms=round(seconds * 1000),
        patience_ms=round(patience * 1000),
        notes=(*(rehearsal.notes if rehearsal else ()), *pings(sight.pings)),
        left_out=tuple(SkippedPart(what, why) for what, why in left_out),
    )
