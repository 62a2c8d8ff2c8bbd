from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields, replace

import msgspec
import pytest
from tests.unit.fake_engine import BACK, CIRCUMSTANCES, FRONT, STACK, World, container, label, stranger

from cloison.model.facts import Endpoint, EngineFacts, Flow, Kind, Protocol, Vantage
from cloison.model.outcome import Outcome, Reach
from cloison.proof import schema as proof_schema
from cloison.proof.build import assemble
from cloison.proof.schema import EndpointPart, EnginePart, NetworkPart, ServicePart, SkippedPart, VantagePart, Verdict
from cloison.verdict.judge import Judgement
from cloison.verdict.reasons import Case

SPY = stranger("spy", (BACK, "172.30.1.66"), project="other")
BROKEN = "proxy-1 -> app-1:5000 on backend_net"
SHUT = "db-1 -> outside:*"
SEEN = {Reach.OPEN: Outcome.ACCEPTED, Reach.SHUT: Outcome.SILENT}


@pytest.mark.parametrize(
    ("world", "said", "verdict"),
    [
        (STACK.ruled(), {}, Verdict("proven", 0)),
        (STACK, {}, Verdict("proven", 0)),
        (STACK.ruled(), {SHUT: Outcome.ACCEPTED}, Verdict("breached", 1)),
        (STACK.ruled(), {BROKEN: Outcome.SILENT}, Verdict("breached", 1)),
        (STACK.ruled(), {SHUT: Outcome.ERROR}, Verdict("unproven", 3)),
        (STACK.ruled(), {SHUT: Outcome.ERROR, BROKEN: Outcome.SILENT}, Verdict("breached", 1)),
        (STACK.stopped("db-1").ruled(), {}, Verdict("unproven", 3)),
        (STACK.serving("db", scale=2).ruled(), {}, Verdict("unproven", 3)),
    ],
)
def test_the_verdict_is_one_word_and_its_exit_code(world: World, said: dict[str, Outcome], verdict: Verdict) -> None:
    assert verdict == world.proof(said).verdict


def test_a_missing_service_is_no_proof_whatever_was_seen_of_the_others() -> None:
    world = STACK.stopped("db-1")
    seen = {label(flow): SEEN[prediction.reach] for flow, prediction in world.predicted().items()}

    found = world.proof(seen)
    assert (0, ["db"]) == (found.coverage.unknown, found.coverage.absent)
    assert Verdict("unproven", 3) == found.verdict


def test_nothing_asked_is_nothing_proven() -> None:
    found = assemble(Case(STACK.project, STACK.facts, None), [], {}, CIRCUMSTANCES)

    assert Verdict("unproven", 3) == found.verdict
    assert (0, False) == (found.coverage.flows, found.coverage.complete)


def test_circumstances_are_written_down_as_they_are_given() -> None:
    found = STACK.proof()

    assert ("2", "2026-01-02T03:04:05.678Z", 1234, 1000) == (
        found.schema_version,
        found.started,
        found.duration_ms,
        found.patience_ms,
    )
    assert (CIRCUMSTANCES.tool, CIRCUMSTANCES.machine) == (found.tool, found.machine)


def test_the_engine_is_told_with_every_fact_that_predictions_use() -> None:
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
    found = assemble(Case(STACK.project, replace(STACK.facts, engine=engine), None), [], {}, CIRCUMSTANCES)

    told = (True, False, False, "nftables", True, "2")
    assert EnginePart("podman", "5.4.2", "DROP", "ACCEPT", *told) == found.engine
    assert {f.name for f in fields(EngineFacts)} - {"platform"} == {*EnginePart.__struct_fields__}


def test_the_project_is_drawn_with_the_engines_names() -> None:
    world = STACK.serving("dump", network_mode="service:db").running(
        container("dump", network_mode="container:id-of-db-1")
    )

    assert [
        ServicePart("app", [BACK], 1),
        ServicePart("db", [BACK], 1),
        ServicePart("dump", [BACK], 1),
        ServicePart("proxy", [BACK, FRONT], 1),
    ] == world.proof().project.services


@pytest.mark.parametrize(
    ("world", "network"),
    [
        (STACK, NetworkPart(BACK, "backend_net", "bridge", internal=True, external=False)),
        (STACK, NetworkPart(FRONT, "frontend_net", "bridge", internal=False, external=False)),
        (STACK.made(BACK, internal=False), NetworkPart(BACK, "backend_net", "bridge", internal=False, external=False)),
        (
            STACK.drawing("frontend_net", external=True).made(FRONT, driver="macvlan"),
            NetworkPart(FRONT, "frontend_net", "macvlan", internal=False, external=True),
        ),
        (STACK.made("other_net"), NetworkPart("other_net", "", "bridge", internal=False, external=False)),
        (
            STACK.drawing("spare", name="shop_spare", driver="ipvlan", internal=True),
            NetworkPart("shop_spare", "spare", "ipvlan", internal=True, external=False),
        ),
    ],
)
def test_a_network_is_shown_as_the_engine_has_it(world: World, network: NetworkPart) -> None:
    assert network in world.proof().project.networks


def test_a_project_without_a_policy_has_none() -> None:
    assert STACK.proof().policy is None


def test_flows_refer_to_vantages_and_endpoints_by_position() -> None:
    world = STACK.running(SPY).ruled()
    found = world.proof()

    again = [
        Flow(_vantage(found.vantages[flow.vantage]), _endpoint(found.endpoints[flow.endpoint])) for flow in found.flows
    ]
    assert world.asked() == again


def _vantage(part: VantagePart) -> Vantage:
    return Vantage(part.place, part.container)


def _endpoint(part: EndpointPart) -> Endpoint:
    return Endpoint(
        part.place,
        part.container,
        Kind(part.kind),
        Protocol(part.protocol),
        part.service_port,
        part.network,
        part.address,
        part.port,
    )


def test_a_flow_is_written_with_its_three_matrices_and_its_reason() -> None:
    world = STACK.ruled()
    at = [label(flow) for flow in world.asked()].index(SHUT)

    flow = world.proof({SHUT: Outcome.ACCEPTED}).flows[at]
    assert ("shut", "", "shut", "every network of db is internal") == (
        flow.intended,
        flow.intended_by,
        flow.predicted,
        flow.rule,
    )
    assert ("open", "accepted", "the probe: accepted") == (flow.observed, flow.outcome, flow.evidence)
    assert ("breach", "drift", True) == (flow.judgement, flow.cause, flow.drift)
    assert flow.reason.startswith("meant to be shut, and open behind the file's back")


def test_a_failed_control_is_written_down() -> None:
    judged = STACK.judged()
    controls = {item.flow.vantage: ("", "") for item in judged} | {Vantage("app", "app-1"): ("deaf", "answers all")}

    found = assemble(Case(STACK.project, STACK.facts, None), judged, controls, CIRCUMSTANCES)
    assert VantagePart("app", "app-1", "deaf", "answers all") == found.vantages[0]


def test_a_vantage_without_controls_is_no_proof() -> None:
    judged = STACK.judged()

    with pytest.raises(KeyError):
        assemble(Case(STACK.project, STACK.facts, None), judged, {Vantage("host"): ("", "")}, CIRCUMSTANCES)


def test_the_totals_count_every_word_and_the_drift() -> None:
    found = STACK.ruled().proof({SHUT: Outcome.ACCEPTED, "app-1 -> outside:*": Outcome.ERROR})

    words = Counter(flow.judgement for flow in found.flows)
    expected: dict[str, int] = {word: words[word] for word in Judgement}
    assert {**expected, "drift": 1} == found.totals
    assert (1, 1) == (found.totals["breach"], found.totals["unknown"])


def test_the_coverage_says_what_was_missed() -> None:
    waited_for = {"job": {"condition": "service_completed_successfully"}}
    world = STACK.serving("job").serving("app", depends_on=waited_for).running(container("job", pid=0, has_ended=True))
    found = world.stopped("db-1").proof().coverage

    assert ["db"] == found.absent
    assert [SkippedPart("service job", "it ran and has ended")] == found.skipped
    assert not found.complete
    assert 0 < found.unknown < found.flows


def test_what_a_rehearsal_left_out_is_not_proven_and_its_notes_come_first() -> None:
    world, lan = STACK.ruled(), SkippedPart("network lan", "a bridge stood in for the driver macvlan")
    case = Case(world.project, world.facts, world.rules)
    rehearsed = msgspec.structs.replace(CIRCUMSTANCES, notes=("a rehearsal",), left_out=(lan,))
    controls = {flow.vantage: ("", "") for flow in world.asked()}
    found = assemble(case, world.judged(), controls, rehearsed)

    assert Verdict("unproven", 3) == found.verdict
    assert ([lan], False) == (found.coverage.skipped, found.coverage.complete)
    assert ["a rehearsal", *world.proof().notes] == found.notes


def test_a_whole_coverage_misses_nothing() -> None:
    found = STACK.proof().coverage

    assert (len(STACK.asked()), 0, [], [], True) == (
        found.flows,
        found.unknown,
        found.absent,
        found.skipped,
        found.complete,
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_same_world_gives_the_same_bytes_in_whatever_order_it_is_told(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # it mixes, it keeps no secret
    ann, zoe = stranger("ann", (FRONT, "172.30.2.66"), (BACK, "172.30.1.67")), stranger("zoe", (BACK, "172.30.1.68"))
    world = STACK.serving("cache").serving("agent").running(SPY, ann, zoe).stopped("app-1").ruled()
    facts = world.facts
    containers = [
        replace(c, attachments=tuple(dice.sample(c.attachments, len(c.attachments)))) for c in facts.containers
    ]
    file = {
        key: dict(dice.sample([*body.items()], len(body))) if key in ("services", "networks") else body
        for key, body in world.file.items()
    }
    told = World(
        file,
        replace(
            facts,
            containers=tuple(dice.sample(containers, len(containers))),
            networks=tuple(dice.sample(facts.networks, len(facts.networks))),
            host_addresses=tuple(dice.sample(facts.host_addresses, len(facts.host_addresses))),
            listeners=frozenset(dice.sample(sorted(facts.listeners), len(facts.listeners))),
        ),
    )

    assert proof_schema.canonical(world.proof()) == proof_schema.canonical(told.proof())
