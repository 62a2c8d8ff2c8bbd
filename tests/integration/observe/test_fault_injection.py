"""A proof finds and names every fault of the catalogue on a real engine, and none of them once they are undone.

Each fault is proven twice while it is there, as root and through the agent: the documents are the same.

Rule: the project is proven without a fault before the first, after every tenth and after the last. A fault that is not
undone stays until then, so the failure names the faults since the last proof that was sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.compose_project import service
from tests.integration.observe.blocking_faults import BLOCKING_FAULTS
from tests.integration.observe.fault_builders import InjectedFault
from tests.integration.observe.host_changes import RunningProject
from tests.integration.observe.opening_faults import OPENING_FAULTS
from tests.integration.project_fixtures import labs
from tests.integration.same_proof import same_proof

from cloison.compose import project as compose_project
from cloison.engine import compose_cli
from cloison.model.flow import FOREIGN, Protocol, ip_version
from cloison.proof.schema import FlowPart, Proof
from cloison.verdict.judge import Judgement

pytestmark = pytest.mark.engine

POLICY: dict[str, Any] = {
    "allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306", "app -> db:5353/udp"],
    "tolerate": [
        {"network": "back", "why": "no policy inside a network"},
        {"network": "front", "why": "no policy inside a network"},
        {"flow": "proxy -> outside", "why": "a published port needs it"},
        {"flow": "guest -> outside", "why": "its network has a way out"},
        {"flow": "guest -> proxy", "why": "a published port is open for everybody"},
        {"flow": "* -> host", "why": "every bridge has an address of the host's"},
    ],
}


@pytest.fixture(scope="module")
def running_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProject]:
    """Two networks with a service on both and a guest on one, up for the whole module."""
    for made in labs(tmp_path_factory.mktemp("walls")):
        made.up(
            {
                "services": {
                    "db": service(3306, datagrams=[5353], networks=["back"], expose=["3306", "5353/udp"]),
                    "app": service(5000, networks=["back"], expose=["5000"]),
                    "proxy": service(80, networks=["front", "back"], ports=["198.19.255.1::80"]),
                    "guest": service(7000, networks=["front"]),
                },
                "networks": {"front": {}, "back": {"internal": True}},
                "x-cloison": POLICY,
            }
        )
        running = RunningProject(made, compose_project.project(compose_cli.resolved(made.selection)))
        assert whole(running) == SOUND
        yield running
        assert_all_undone(running)


@pytest.mark.parametrize("hole", OPENING_FAULTS, ids=lambda hole: hole.name.replace(" ", "-"))
def test_an_opened_flow_is_found_and_named(running_project: RunningProject, hole: InjectedFault) -> None:
    check(running_project, hole)


@pytest.mark.parametrize("blockage", BLOCKING_FAULTS, ids=lambda blockage: blockage.name.replace(" ", "-"))
def test_a_needed_flow_that_is_closed_is_found_and_named(
    running_project: RunningProject, blockage: InjectedFault
) -> None:
    check(running_project, blockage)


def check(running_project: RunningProject, hole: InjectedFault) -> None:
    """Prove while something is done, and again when it is taken back."""
    with hole.make(running_project):
        proof = same_proof(running_project.prove, running_project.prove_by_agent)

    found = said(proof)
    assert hole.verdict == proof.verdict.word
    assert {flow: {hole.word} for flow in hole.expected_flows} == {
        flow: found.get(flow) for flow in hole.expected_flows
    }
    if hole.only:
        assert {*hole.expected_flows} == {flow for flow, words in found.items() if hole.word in words}
    assert hole.says in sentences(proof)
    UNDONE.append(hole.name)
    if len(UNDONE) == FAULTS_PER_CLEAN_PROOF:
        assert_all_undone(running_project)


FAULTS_PER_CLEAN_PROOF = 10
SOUND = ("proven", 0, 0)
UNDONE: list[str] = []
"""The faults since the last proof that was sound."""


def assert_all_undone(running_project: RunningProject) -> None:
    """Prove the project without a fault."""
    faults = [*UNDONE]
    UNDONE.clear()
    assert whole(running_project) == SOUND, f"one of these faults is not undone: {', '.join(faults)}"


def whole(running_project: RunningProject) -> tuple[str, int, int]:
    """Return what a proof comes to: its word, and how many flows are not as drawn, or not known."""
    proof = running_project.prove()
    return proof.verdict.word, proof.totals["drift"], proof.totals["unknown"]


def said(proof: Proof) -> dict[str, set[str]]:
    """Return the causes of the breaches of each flow, else its judgements, by the flow as a policy writes it."""
    found: dict[str, dict[Judgement, set[str]]] = {}
    for flow in proof.flows:
        words = found.setdefault(_flow_label(proof, flow), {})
        words.setdefault(flow.judgement, set()).add(str(flow.cause or flow.judgement))
    return {flow: words[max(words, key=list(Judgement).index)] for flow, words in found.items()}


def sentences(proof: Proof) -> str:
    """Return all that a proof says in sentences."""
    skipped = [f"{part.what}: {part.why}" for part in proof.coverage.skipped]
    return "\n".join([*proof.notes, *skipped, *(flow.reason for flow in proof.flows)])


def _flow_label(proof: Proof, flow: FlowPart) -> str:
    source, end = proof.vantages[flow.vantage].place, proof.endpoints[flow.endpoint]
    protocol = "" if end.protocol == Protocol.TCP else f"/{end.protocol}"
    version = " over IPv6" if ip_version(end.address) == 6 else ""
    return f"{_short(source)} -> {_short(end.place)}:{end.service_port or '*'}{protocol}{version}"


def _short(place: str) -> str:
    return FOREIGN[:-1] if place.startswith(FOREIGN) else place
