from __future__ import annotations

import msgspec
import pytest
from tests.unit.reports.sample_project import seen_as, service, world
from tests.unit.reports.sample_proofs import PROOFS, STACK

from cloison.model.outcome import Outcome, Reach
from cloison.proof.schema import Proof
from cloison.reports.matrix import (
    WORST_FIRST,
    TargetPort,
    connections,
    group_by_ports,
    join_names,
    reach_matrix,
    sort_ports,
    summarize,
    target_port,
)
from cloison.reports.table_layout import MAX_NAME_LENGTH, short_names, table_lines
from cloison.reports.topology import ResolvedFlow, read_topology, resolve_flows
from cloison.verdict.judge import Judgement


def told(proof: Proof, judgement: Judgement, reach: Reach = Reach.OPEN) -> ResolvedFlow:
    """Return one flow with another word."""
    first = resolve_flows(proof)[0]
    flow = msgspec.structs.replace(first.flow, judgement=judgement, observed=reach, drift=False)
    return ResolvedFlow(flow, first.source, first.target, first.named)


def test_every_judgement_has_its_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(Judgement)


@pytest.mark.parametrize("worse", range(len(WORST_FIRST) - 1))
def test_a_door_is_as_bad_as_its_worst_flow(worse: int) -> None:
    proof = PROOFS["holds"]()
    better = [told(proof, judgement, Reach.SHUT) for judgement in WORST_FIRST[worse + 1 :]]

    found = summarize(read_topology(proof), [*better, told(proof, WORST_FIRST[worse])])

    assert (found.judgement, found.is_open) == (WORST_FIRST[worse], True)


def test_what_is_shut_at_one_address_and_open_at_another_is_open() -> None:
    proof = PROOFS["holds"]()

    assert summarize(
        read_topology(proof), [told(proof, Judgement.HOLDS, Reach.SHUT), told(proof, Judgement.HOLDS)]
    ).is_open
    assert not summarize(read_topology(proof), [told(proof, Judgement.HOLDS, Reach.SHUT)]).is_open


def test_the_cells_of_a_matrix_lose_no_flow() -> None:
    proof = PROOFS["twelve"]()

    assert sum(len(flows) for flows in connections(resolve_flows(proof)).values()) == len(proof.flows)
    assert set(reach_matrix(proof).cells) == {(item.source.place, target_port(item)) for item in resolve_flows(proof)}


def test_sources_and_doors_stand_in_the_order_in_which_people_ask() -> None:
    found = reach_matrix(PROOFS["stranger"]())

    assert found.sources == ("app", "db", "proxy", "stranger:blog-cron-1", "outside", "host")
    assert [group.place for group in found.groups] == ["app", "db", "proxy", "stranger:blog-cron-1", "host", "outside"]


def test_named_ports_stand_before_the_others() -> None:
    target_ports = [TargetPort("a", "tcp", port) for port in (0, 443, 80)]

    assert [item.port for item in sort_ports(target_ports)] == [80, 443, 0]


@pytest.mark.parametrize(
    ("end", "port_label", "label", "policy_target"),
    [
        (TargetPort("db", "tcp", 3306), "3306", "db:3306", "db:3306"),
        (TargetPort("dns", "udp", 53), "53/udp", "dns:53/udp", "dns:53/udp"),
        (TargetPort("db", "", 0), "*", "db:*", "db"),
        (TargetPort("host", "", 0, is_every_port=True), "any", "host", "host"),
        (TargetPort("stranger:x", "", 0, is_every_port=True), "any", "x", "stranger:x"),
    ],
)
def test_doors_have_names(end: TargetPort, port_label: str, label: str, policy_target: str) -> None:
    assert (end.port_label, end.label, end.policy_target) == (port_label, label, policy_target)


def test_a_place_by_its_name_alone_is_all_of_its_ports() -> None:
    found = reach_matrix(PROOFS["tolerated"]())
    db = next(group.target_ports for group in found.groups if group.place == "db")

    assert group_by_ports([("app", end, "") for end in db], found) == [("app", "db")]
    assert group_by_ports([("app", end, " over IPv6 only") for end in db], found) == [("app", "db over IPv6 only")]
    assert group_by_ports([("app", db[0], ""), ("app", db[1], " over UDP only")], found) == [
        ("app", "db:3306, db:* over UDP only")
    ]
    assert group_by_ports([("app", db[0], "")], found) == [("app", "db:3306")]
    assert group_by_ports([("app", db[1], ""), ("proxy", db[1], "")], found) == [("app, proxy", "db:*")]


def test_replicas_that_reach_each_other_have_a_cell() -> None:
    services = {**STACK["services"], "app": service(5000, "back", replicas=2)}
    found = reach_matrix(world({**STACK, "services": services}).proof())

    assert {end.port for source, end in found.cells if source == end.place == "app"} == {0, 5000}


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("width", [60, 80, 100, 140, 250])
def test_a_matrix_stays_within_its_width_and_shows_every_place_whole(name: str, width: int) -> None:
    found = reach_matrix(PROOFS[name]())
    lines = [line.plain for line in table_lines(found, width)]
    words = set(" ".join(lines).replace(",", " ").split())

    assert max(map(len, lines)) <= width
    assert {place.removeprefix("stranger:") for place in found.sources} <= words
    assert {group.place.removeprefix("stranger:") for group in found.groups} <= words


def test_a_place_with_many_doors_is_cut_between_doors() -> None:
    ports = [str(8000 + i) for i in range(20)]
    hub = {**service(80, "back"), "expose": ports}
    proof = world({**STACK, "services": {"hub": hub, "app": service(5000, "back")}}).proof(
        lambda flow: seen_as(flow, Outcome.SILENT) if flow.endpoint.service_port == 8000 else None
    )
    lines = [line.plain for line in table_lines(reach_matrix(proof), 60)]

    assert max(map(len, lines)) <= 60
    assert set(ports) <= set(" ".join(lines).split())


def test_a_long_name_is_cut_in_its_middle() -> None:
    name = "payments-reconciliation-worker"
    cut = short_names([name, "db"])[name]

    assert cut == "payments-rec…tion-worker"
    assert len(cut) == MAX_NAME_LENGTH


def test_two_long_names_that_would_look_the_same_stay_whole() -> None:
    names = [f"payments-reconciliation-{judgement}-of-the-worker" for judgement in ("eu", "us")]

    assert short_names(names) == dict(zip(names, names, strict=True))


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, ""),
        (1, "0"),
        (2, "0 and 1"),
        (4, "0, 1, 2 and 3"),
        (5, "0, 1, 2 and 2 more"),
    ],
)
def test_a_few_are_named_and_the_rest_is_counted(count: int, words: str) -> None:
    assert join_names(map(str, range(count))) == words
