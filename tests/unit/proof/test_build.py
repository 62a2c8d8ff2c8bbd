from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields, replace

import msgspec
import pytest
from tests.unit.fake_engine import BACK, FRONT, RUN_CONTEXT, STACK, FakeEngine, container, foreign_container, label

from cloison.model.facts import EngineFacts
from cloison.model.flow import Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Outcome, Reach
from cloison.proof import schema as proof_schema
from cloison.proof.build import build_proof
from cloison.proof.schema import EndpointPart, EnginePart, NetworkPart, ServicePart, SkippedPart, VantagePart, Verdict
from cloison.verdict.judge import Judgement
from cloison.verdict.reasons import ProofInputs, reason

SPY = foreign_container("spy", (BACK, "172.30.1.66"), project="other")
BROKEN = "proxy-1 -> app-1:5000 on backend_net"
SHUT = "db-1 -> outside:*"
SEEN = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT}


@pytest.mark.parametrize(
    ("deployment", "said", "verdict"),
    [
        (STACK.with_policy(), {}, Verdict("proven", 0)),
        (STACK, {}, Verdict("drawn", 0)),
        (STACK.with_policy(), {SHUT: Outcome.ACCEPTED}, Verdict("breached", 1)),
        (STACK.with_policy(), {BROKEN: Outcome.SILENT}, Verdict("breached", 1)),
        (STACK.with_policy(), {SHUT: Outcome.ERROR}, Verdict("unproven", 3)),
        (STACK.with_policy(), {SHUT: Outcome.ERROR, BROKEN: Outcome.SILENT}, Verdict("breached", 1)),
        (STACK.with_stopped("db-1").with_policy(), {}, Verdict("unproven", 3)),
        (STACK.with_service("db", scale=2).with_policy(), {}, Verdict("unproven", 3)),
    ],
)
def test_the_verdict_is_one_word_and_its_exit_code(
    deployment: FakeEngine, said: dict[str, Outcome], verdict: Verdict
) -> None:
    assert verdict == deployment.proof(said).verdict


def test_a_proof_with_a_missing_service_is_unproven() -> None:
    deployment = STACK.with_stopped("db-1")
    seen = {label(flow): SEEN[prediction.reach] for flow, prediction in deployment.predicted().items()}

    found = deployment.proof(seen)
    assert (0, ["db"]) == (found.coverage.unknown, found.coverage.absent)
    assert Verdict("unproven", 3) == found.verdict


def test_a_proof_without_flows_is_unproven() -> None:
    found = build_proof(ProofInputs(STACK.project, STACK.facts, None), [], {}, RUN_CONTEXT)

    assert Verdict("unproven", 3) == found.verdict
    assert (0, False) == (found.coverage.flows, found.coverage.complete)


def test_the_run_context_is_part_of_the_document() -> None:
    found = STACK.proof()

    assert ("2", "2026-01-02T03:04:05.678Z", 1234, 1000) == (
        found.schema_version,
        found.started,
        found.duration_ms,
        found.patience_ms,
    )
    assert (RUN_CONTEXT.tool, RUN_CONTEXT.machine) == (found.tool, found.machine)


def test_the_engine_part_has_every_fact_that_predictions_use() -> None:
    engine = EngineFacts(
        "podman",
        "5.4.2",
        "DROP",
        "ACCEPT",
        filters_ipv6=True,
        has_userland_proxy=False,
        guards_addresses=False,
        firewall="nftables",
        filters_bridges=True,
        source_check="2",
    )
    found = build_proof(ProofInputs(STACK.project, replace(STACK.facts, engine=engine), None), [], {}, RUN_CONTEXT)

    told = (True, False, False, "nftables", True, "2")
    assert EnginePart("podman", "5.4.2", "DROP", "ACCEPT", *told) == found.engine
    assert {f.name for f in fields(EngineFacts)} - {"platform"} == {*EnginePart.__struct_fields__}


def test_the_project_part_has_the_engine_names_of_networks() -> None:
    deployment = STACK.with_service("dump", network_mode="service:db").with_containers(
        container("dump", network_mode="container:id-of-db-1")
    )

    assert [
        ServicePart("app", [BACK], 1),
        ServicePart("db", [BACK], 1),
        ServicePart("dump", [BACK], 1),
        ServicePart("proxy", [BACK, FRONT], 1),
    ] == deployment.proof().project.services


@pytest.mark.parametrize(
    ("deployment", "network"),
    [
        (STACK, NetworkPart(BACK, "backend_net", "bridge", internal=True, external=False)),
        (STACK, NetworkPart(FRONT, "frontend_net", "bridge", internal=False, external=False)),
        (
            STACK.with_engine_network(BACK, internal=False),
            NetworkPart(BACK, "backend_net", "bridge", internal=False, external=False),
        ),
        (
            STACK.with_network("frontend_net", external=True).with_engine_network(FRONT, driver="macvlan"),
            NetworkPart(FRONT, "frontend_net", "macvlan", internal=False, external=True),
        ),
        (
            STACK.with_engine_network("other_net"),
            NetworkPart("other_net", "", "bridge", internal=False, external=False),
        ),
        (
            STACK.with_network("spare", name="shop_spare", driver="ipvlan", internal=True),
            NetworkPart("shop_spare", "spare", "ipvlan", internal=True, external=False),
        ),
    ],
)
def test_a_network_is_shown_as_the_engine_has_it(deployment: FakeEngine, network: NetworkPart) -> None:
    assert network in deployment.proof().project.networks


def test_a_project_without_a_policy_has_none() -> None:
    assert STACK.proof().policy is None


def test_flows_refer_to_vantages_and_endpoints_by_position() -> None:
    deployment = STACK.with_containers(SPY).with_policy()
    found = deployment.proof()

    again = [
        Flow(_vantage(found.vantages[flow.vantage]), _endpoint(found.endpoints[flow.endpoint])) for flow in found.flows
    ]
    assert deployment.flows() == again


def _vantage(part: VantagePart) -> Vantage:
    return Vantage(part.place, part.container)


def _endpoint(part: EndpointPart) -> Endpoint:
    return Endpoint(
        part.place,
        part.container,
        EndpointKind(part.kind),
        Protocol(part.protocol),
        part.service_port,
        part.network,
        part.address,
        part.port,
    )


def test_a_flow_is_written_with_its_three_matrices_and_its_reason() -> None:
    deployment = STACK.with_policy()
    at = [label(flow) for flow in deployment.flows()].index(SHUT)

    flow = deployment.proof({SHUT: Outcome.ACCEPTED}).flows[at]
    assert ("shut", "", "shut", "every network of db is internal") == (
        flow.intended,
        flow.intended_by,
        flow.predicted,
        flow.rule,
    )
    assert ("open", "accepted", "the probe: accepted") == (flow.observed, flow.outcome, flow.evidence)
    assert ("breach", "drift", True) == (flow.judgement, flow.cause, flow.drift)
    assert flow.reason.startswith("should be closed but is open, and the Compose file does not explain it")


def test_flows_with_the_same_answers_have_one_reason_and_the_reason_of_each() -> None:
    judged = STACK.with_policy().judged()
    proof = STACK.with_policy().proof()
    answers = {(id(item.intention), id(item.prediction), id(item.observation)) for item in judged}

    assert [reason(item, has_policy=True) for item in judged] == [flow.reason for flow in proof.flows]
    assert len({id(flow.reason) for flow in proof.flows}) <= len(answers)


def test_a_failed_control_is_part_of_the_document() -> None:
    judged = STACK.judged()
    controls = {item.flow.vantage: ("", "") for item in judged} | {Vantage("app", "app-1"): ("deaf", "answers all")}

    found = build_proof(ProofInputs(STACK.project, STACK.facts, None), judged, controls, RUN_CONTEXT)
    assert VantagePart("app", "app-1", "deaf", "answers all") == found.vantages[0]


def test_a_vantage_without_controls_is_no_proof() -> None:
    judged = STACK.judged()

    with pytest.raises(KeyError):
        build_proof(ProofInputs(STACK.project, STACK.facts, None), judged, {Vantage("host"): ("", "")}, RUN_CONTEXT)


def test_the_totals_count_every_judgement_and_the_drift() -> None:
    found = STACK.with_policy().proof({SHUT: Outcome.ACCEPTED, "app-1 -> outside:*": Outcome.ERROR})

    words = Counter(flow.judgement for flow in found.flows)
    expected: dict[str, int] = {word: words[word] for word in Judgement}
    assert {**expected, "drift": 1} == found.totals
    assert (1, 1) == (found.totals["breach"], found.totals["unknown"])


def test_the_coverage_names_what_was_not_probed() -> None:
    waited_for = {"job": {"condition": "service_completed_successfully"}}
    deployment = (
        STACK.with_service("job")
        .with_service("app", depends_on=waited_for)
        .with_containers(container("job", pid=0, has_completed=True))
    )
    found = deployment.with_stopped("db-1").proof().coverage

    assert ["db"] == found.absent
    assert [SkippedPart("service job", "it has completed")] == found.skipped
    assert not found.complete
    assert 0 < found.unknown < found.flows


def test_what_a_rehearsal_left_out_is_not_proven_and_its_notes_come_first() -> None:
    deployment, lan = STACK.with_policy(), SkippedPart("network lan", "a bridge stood in for the driver macvlan")
    case = ProofInputs(deployment.project, deployment.facts, deployment.rules)
    rehearsed = msgspec.structs.replace(RUN_CONTEXT, notes=("a rehearsal",), not_probed=(lan,))
    controls = {flow.vantage: ("", "") for flow in deployment.flows()}
    found = build_proof(case, deployment.judged(), controls, rehearsed)

    assert Verdict("unproven", 3) == found.verdict
    assert ([lan], False) == (found.coverage.skipped, found.coverage.complete)
    assert ["a rehearsal", *deployment.proof().notes] == found.notes


def test_a_complete_coverage_has_no_gaps() -> None:
    found = STACK.proof().coverage

    assert (len(STACK.flows()), 0, [], [], True) == (
        found.flows,
        found.unknown,
        found.absent,
        found.skipped,
        found.complete,
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_same_facts_give_the_same_bytes_in_any_order(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # it mixes, it keeps no secret
    ann, zoe = (
        foreign_container("ann", (FRONT, "172.30.2.66"), (BACK, "172.30.1.67")),
        foreign_container("zoe", (BACK, "172.30.1.68")),
    )
    deployment = (
        STACK.with_service("cache")
        .with_service("agent")
        .with_containers(SPY, ann, zoe)
        .with_stopped("app-1")
        .with_policy()
    )
    facts = deployment.facts
    containers = [
        replace(c, attachments=tuple(dice.sample(c.attachments, len(c.attachments)))) for c in facts.containers
    ]
    file = {
        key: dict(dice.sample([*body.items()], len(body))) if key in ("services", "networks") else body
        for key, body in deployment.file.items()
    }
    told = FakeEngine(
        file,
        replace(
            facts,
            containers=tuple(dice.sample(containers, len(containers))),
            networks=tuple(dice.sample(facts.networks, len(facts.networks))),
            host_addresses=tuple(dice.sample(facts.host_addresses, len(facts.host_addresses))),
            listeners=frozenset(dice.sample(sorted(facts.listeners), len(facts.listeners))),
        ),
    )

    assert proof_schema.canonical(deployment.proof()) == proof_schema.canonical(told.proof())
