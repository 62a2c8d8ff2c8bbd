from __future__ import annotations

import msgspec
import pytest
from tests.unit.reports.sample_project import seen_as, service, world
from tests.unit.reports.sample_proofs import PROOFS, STACK

from cloison.model.outcome import Outcome, Reach
from cloison.proof.schema import Proof
from cloison.reports.table_layout import MAX_NAME_LENGTH, short_names, table_lines
from cloison.verdict.judge import Judgement
from cloison_view.connections import WORST_FIRST
from cloison_view.labels import join_names
from cloison_view.ports import TargetPort, group_by_ports
from cloison_view.summary import Connection, sort_ports, summarize


def folded(proof: Proof, *flows: tuple[str, Reach]) -> Connection:
    """Return the one connection of a proof whose flows have these judgements and observations."""
    first = proof.flows[0]
    parts = [
        msgspec.structs.replace(first, judgement=Judgement(judgement), observed=reach, drift=False)
        for judgement, reach in flows
    ]
    (connection,) = summarize(msgspec.structs.replace(proof, flows=parts)).connections
    return connection


def test_every_judgement_has_a_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(Judgement)


@pytest.mark.parametrize("worse", range(len(WORST_FIRST) - 1))
def test_a_connection_is_as_bad_as_its_worst_flow(worse: int) -> None:
    better = [(judgement, Reach.SHUT) for judgement in WORST_FIRST[worse + 1 :]]

    found = folded(PROOFS["holds"](), *better, (WORST_FIRST[worse], Reach.OPEN))

    assert (found.judgement, found.is_open) == (WORST_FIRST[worse], True)


def test_a_connection_that_is_open_at_one_address_is_open() -> None:
    proof = PROOFS["holds"]()

    assert folded(proof, ("holds", Reach.SHUT), ("holds", Reach.OPEN)).is_open
    assert not folded(proof, ("holds", Reach.SHUT)).is_open


def test_only_flows_with_the_judgement_of_the_connection_open_it() -> None:
    assert not folded(PROOFS["holds"](), ("broken", Reach.SHUT), ("holds", Reach.OPEN)).is_open


def test_every_flow_belongs_to_exactly_one_connection() -> None:
    proof = PROOFS["twelve"]()
    found = summarize(proof)

    assert sorted(position for c in found.connections for position in c.flows) == list(range(len(proof.flows)))
    assert all(found.pair(position) == c.pair for c in found.connections for position in c.flows)


def test_services_come_first_then_foreign_containers_host_and_outside() -> None:
    found = summarize(PROOFS["stranger"]())

    assert found.sources == ("app", "db", "proxy", "stranger:blog-cron-1", "host", "outside")
    assert list(found.ports) == list(found.sources)


def test_numbered_ports_come_first() -> None:
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
def test_a_port_has_names(end: TargetPort, port_label: str, label: str, policy_target: str) -> None:
    assert (end.port_label, end.label, end.policy_target) == (port_label, label, policy_target)


def test_a_place_by_its_name_alone_is_all_of_its_ports() -> None:
    found = summarize(PROOFS["tolerated"]())
    db = found.ports["db"]

    assert group_by_ports([("app", end, "") for end in db], found.ports) == [("app", "db")]
    assert group_by_ports([("app", end, " over IPv6 only") for end in db], found.ports) == [
        ("app", "db over IPv6 only")
    ]
    assert group_by_ports([("app", db[0], ""), ("app", db[1], " over UDP only")], found.ports) == [
        ("app", "db:3306, db:* over UDP only")
    ]
    assert group_by_ports([("app", db[0], "")], found.ports) == [("app", "db:3306")]
    assert group_by_ports([("app", db[1], ""), ("proxy", db[1], "")], found.ports) == [("app, proxy", "db:*")]


def test_replicas_that_reach_each_other_have_a_cell() -> None:
    services = {**STACK["services"], "app": service(5000, "back", replicas=2)}
    found = summarize(world({**STACK, "services": services}).proof())

    assert {end.port for source, end in found.by_pair if source == end.place == "app"} == {0, 5000}


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("width", [60, 80, 100, 140, 250])
def test_a_matrix_stays_within_its_width_and_shows_every_place_whole(name: str, width: int) -> None:
    found = summarize(PROOFS[name]())
    lines = [line.plain for line in table_lines(found, width)]
    words = set(" ".join(lines).replace(",", " ").split())

    assert max(map(len, lines)) <= width
    assert {place.removeprefix("stranger:") for place in found.sources} <= words
    assert {place.removeprefix("stranger:") for place in found.ports} <= words


def test_a_place_with_many_ports_is_split_between_ports() -> None:
    ports = [str(8000 + i) for i in range(20)]
    hub = {**service(80, "back"), "expose": ports}
    proof = world({**STACK, "services": {"hub": hub, "app": service(5000, "back")}}).proof(
        lambda flow: seen_as(flow, Outcome.SILENT) if flow.endpoint.service_port == 8000 else None
    )
    lines = [line.plain for line in table_lines(summarize(proof), 60)]

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
    assert join_names([*map(str, range(count))]) == words
