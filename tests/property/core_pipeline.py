"""The whole pipeline of the core for a document, which ends with a result or with one expected error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from msgspec.structs import replace as replace_members
from tests.property.report_checks import check_difference, check_reports

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.errors import CloisonError
from cloison.model.facts import Container, Facts, NetworkFacts
from cloison.model.outcome import REACH, observation
from cloison.plan import planner, synthetic_facts
from cloison.plan import schema as plan_schema
from cloison.plan.synthetic_facts import Assumptions
from cloison.predict import predictor
from cloison.proof import schema as proof_schema
from cloison.proof.build import build_proof
from cloison.proof.schema import Machine, RunContext, SkippedPart, Tool
from cloison.rehearse import compose_file
from cloison.rehearse.compose_file import HostEnvironment
from cloison.reports import plan_terminal, terminal
from cloison.verdict import flow_enumeration
from cloison.verdict import intent as verdict_intent
from cloison.verdict import judge as verdict_judge
from cloison.verdict.reasons import ProofInputs

TOOL: Final = Tool("cloison", "0.1.0")
MACHINE: Final = Machine("lab", "Linux 6.18")
NOW: Final = "2026-01-02T03:04:05.678Z"
PLACE: Final = re.compile(r"^(the resolved Compose file|services|networks|x-cloison)\b.*: ")
UNKNOWN: Final = re.compile(r'\bno (service|network|key|protocol) "')
SUGGESTED: Final = re.compile(r"did you mean|; known names: |; write ")
RENDERED: Final = 4
"""One document of this number is also rendered: a report costs as much as all the rest."""
CHECKED: Final = 5
"""One document of this number also has its other reports and its difference checked; odd, so that some are strict."""
SEEN: Final = [observation(outcome, watched=watched, evidence="drawn") for outcome, watched in REACH]


@dataclass(frozen=True, slots=True)
class FuzzParameters:
    """The generated inputs besides the document: the engine, the state of the host, and its faults."""

    seed: int = 0
    engine: str = "20.10"
    external: str = ""


def error_of(document: Mapping[str, Any], parameters: FuzzParameters) -> CloisonError | None:
    """Send a document through the core; return the error that refused it, None when it passed.

    Raises AssertionError when the error is not one line with a position.
    """
    try:
        _through(document, parameters)
    except CloisonError as error:
        check_sentence(str(error))
        return error
    return None


def check_sentence(said: str) -> None:
    """Fail on an error without a position, or with an unknown name and no suggestion."""
    assert said.isprintable(), f"not one line of text: {said!r}"
    assert PLACE.match(said), f"where? {said}"
    assert not UNKNOWN.search(said) or SUGGESTED.search(said), f"what else? {said}"


def _through(document: Mapping[str, Any], parameters: FuzzParameters) -> None:
    project = compose_project.project(document)
    rules = policy.policy(project)
    _rehearse(document)
    _prove(project, rules, parameters)
    _plan(project, parameters)


def _plan(project: Project, parameters: FuzzParameters) -> None:
    found = planner.plan(project, Assumptions(parameters.engine, parameters.external), TOOL)
    assert found == plan_schema.parse(proof_schema.canonical(found))
    if not parameters.seed % RENDERED:
        assert plan_terminal.render(found, color=True, width=80, strict=True)
    if not parameters.seed % CHECKED:
        check_reports(found, strict=bool(parameters.seed % 2))
        check_difference(planner.plan(project, Assumptions("28.0"), TOOL), found)


def _rehearse(document: Mapping[str, Any]) -> None:
    lent = NetworkFacts("lent", internal=True, subnets=("198.18.0.0/24",))
    around = HostEnvironment(("198.18.0.0/24", "fd00::/48"), ("127.0.0.1", "192.0.2.1"), networks={"lent": lent})
    played = compose_file.rehearsal(document, "shop-rehearsal-1", "cloison/idle:1", around)
    policy.policy(compose_project.project(played.document))
    assert all((*played.notes, *(word for pair in played.left_out for word in pair)))


def _prove(project: Project, rules: Policy | None, parameters: FuzzParameters) -> None:
    """Judge the project on an engine that follows the file except for its faults, with any observations."""
    dice = Random(parameters.seed)  # noqa: S311  # an example, not a secret
    assumed = Assumptions(parameters.engine)
    facts = tampered(synthetic_facts.synthetic_facts(synthetic_facts.modelled_project(project, assumed), assumed), dice)
    if rules:
        policy.check_ports(rules, flow_enumeration.known_ports(project, facts))
    named = {service: policy.named_ports(rules, service) for service in project.services}
    asked = flow_enumeration.flows(project, facts, named)
    if rules:
        policy.check_rules_match(rules, asked, flow_enumeration.completed(project, facts))
    predicted = predictor.predict(project, facts, asked)
    intended = verdict_intent.intended(project, rules, predicted)
    observed = {flow: dice.choice(SEEN) for flow in asked}
    judged = verdict_judge.compare(intended, predicted, observed)
    controls = {flow.vantage: ("", dice.choice(["", "it answered"])) for flow in asked}
    not_probed = tuple(SkippedPart("something", "no reason") for _ in range(dice.randrange(2)))
    found = build_proof(
        ProofInputs(project, facts, rules), judged, controls, RunContext(TOOL, MACHINE, NOW, 1234, 1000, (), not_probed)
    )
    assert found == proof_schema.parse(proof_schema.canonical(found))
    if not parameters.seed % RENDERED:
        assert terminal.render(found, color=True, width=80, strict=True)
    if not parameters.seed % CHECKED:
        check_reports(found, strict=bool(parameters.seed % 2))
        fewer = replace_members(found, flows=found.flows[::2])
        check_difference(fewer, found)
        check_difference(found, fewer)


def tampered(facts: Facts, dice: Random) -> Facts:
    """Return the facts of an engine on which containers were stopped, moved and attached by hand."""
    networks = [network.name for network in facts.networks]
    found = tuple(_by_hand(container, networks, dice) for container in facts.containers)
    held = [attachment for container in facts.containers for attachment in container.attachments]
    spy = Container("spy", "id-of-spy", "", "", 1, "", attachments=tuple(dice.sample(held, min(len(held), 1))))
    return replace(facts, containers=(*found, *([spy] if dice.random() < 0.5 else [])))


def _by_hand(container: Container, networks: list[str], dice: Random) -> Container:
    match dice.randrange(8):
        case 0:
            return replace(container, pid=0, attachments=(), published_ports=(), has_completed=dice.random() < 0.5)
        case 1:
            return replace(container, attachments=container.attachments[1:])
        case 2:
            return replace(container, network_mode=dice.choice(["host", "none", "container:elsewhere"]), attachments=())
        case 3:
            kept = [attachment for attachment in container.attachments if attachment.network in networks]
            return replace(container, attachments=tuple(replace(attachment, ipv6="fd00::2") for attachment in kept))
        case 4:
            return replace(container, one_off=True)
        case _:
            return container
