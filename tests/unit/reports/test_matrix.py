from __future__ import annotations

import msgspec
import pytest
from tests.unit.reports.sample_project import seen_as, service, world
from tests.unit.reports.sample_proofs import PROOFS, STACK

from cloison.model.outcome import Outcome, Reach
from cloison.proof.schema import Proof
from cloison.reports.matrix import WORST_FIRST, Door, arrows, cell, door, in_order, listed, matrix, passages
from cloison.reports.table_layout import LONGEST, grid, short_names
from cloison.reports.topology import Seen, scene, seen
from cloison.verdict.judge import Judgement


def told(proof: Proof, judgement: Judgement, reach: Reach = Reach.OPEN) -> Seen:
    """Return one flow with another word."""
    first = seen(proof)[0]
    flow = msgspec.structs.replace(first.flow, judgement=judgement, observed=reach, drift=False)
    return Seen(flow, first.source, first.target, first.named)


def test_every_judgement_has_its_rank() -> None:
    assert sorted(WORST_FIRST) == sorted(Judgement)


@pytest.mark.parametrize("worse", range(len(WORST_FIRST) - 1))
def test_a_door_is_as_bad_as_its_worst_flow(worse: int) -> None:
    proof = PROOFS["holds"]()
    better = [told(proof, word, Reach.SHUT) for word in WORST_FIRST[worse + 1 :]]

    found = cell(scene(proof), [*better, told(proof, WORST_FIRST[worse])])

    assert (found.word, found.is_open) == (WORST_FIRST[worse], True)


def test_what_is_shut_at_one_address_and_open_at_another_is_open() -> None:
    proof = PROOFS["holds"]()

    assert cell(scene(proof), [told(proof, Judgement.HOLDS, Reach.SHUT), told(proof, Judgement.HOLDS)]).is_open
    assert not cell(scene(proof), [told(proof, Judgement.HOLDS, Reach.SHUT)]).is_open


def test_the_cells_of_a_matrix_lose_no_flow() -> None:
    proof = PROOFS["twelve"]()

    assert sum(len(flows) for flows in passages(seen(proof)).values()) == len(proof.flows)
    assert set(matrix(proof).cells) == {(item.source.place, door(item)) for item in seen(proof)}


def test_sources_and_doors_stand_in_the_order_in_which_people_ask() -> None:
    found = matrix(PROOFS["stranger"]())

    assert found.sources == ("app", "db", "proxy", "stranger:blog-cron-1", "outside", "host")
    assert [group.place for group in found.groups] == ["app", "db", "proxy", "stranger:blog-cron-1", "host", "outside"]


def test_named_ports_stand_before_the_others() -> None:
    doors = [Door("a", "tcp", port) for port in (0, 443, 80)]

    assert [item.port for item in in_order(doors)] == [80, 443, 0]


@pytest.mark.parametrize(
    ("end", "short", "label", "arrow_head"),
    [
        (Door("db", "tcp", 3306), "3306", "db:3306", "db:3306"),
        (Door("dns", "udp", 53), "53/udp", "dns:53/udp", "dns:53/udp"),
        (Door("db", "", 0), "*", "db:*", "db"),
        (Door("host", "", 0, is_whole=True), "any", "host", "host"),
        (Door("stranger:x", "", 0, is_whole=True), "any", "x", "stranger:x"),
    ],
)
def test_doors_have_names(end: Door, short: str, label: str, arrow_head: str) -> None:
    assert (end.short, end.label, end.arrow_head) == (short, label, arrow_head)


def test_a_place_by_its_name_alone_is_all_of_its_ports() -> None:
    found = matrix(PROOFS["tolerated"]())
    db = next(group.doors for group in found.groups if group.place == "db")

    assert arrows([("app", end, "") for end in db], found) == [("app", "db")]
    assert arrows([("app", end, " over IPv6 only") for end in db], found) == [("app", "db over IPv6 only")]
    assert arrows([("app", db[0], ""), ("app", db[1], " over UDP only")], found) == [
        ("app", "db:3306, db:* over UDP only")
    ]
    assert arrows([("app", db[0], "")], found) == [("app", "db:3306")]
    assert arrows([("app", db[1], ""), ("proxy", db[1], "")], found) == [("app, proxy", "db:*")]


def test_replicas_that_reach_each_other_have_a_cell() -> None:
    services = {**STACK["services"], "app": service(5000, "back", replicas=2)}
    found = matrix(world({**STACK, "services": services}).proof())

    assert {end.port for source, end in found.cells if source == end.place == "app"} == {0, 5000}


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("width", [60, 80, 100, 140, 250])
def test_a_matrix_stays_within_its_width_and_shows_every_place_whole(name: str, width: int) -> None:
    found = matrix(PROOFS[name]())
    lines = [line.plain for line in grid(found, width)]
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
    lines = [line.plain for line in grid(matrix(proof), 60)]

    assert max(map(len, lines)) <= 60
    assert set(ports) <= set(" ".join(lines).split())


def test_a_long_name_is_cut_in_its_middle() -> None:
    name = "payments-reconciliation-worker"
    cut = short_names([name, "db"])[name]

    assert cut == "payments-rec…tion-worker"
    assert len(cut) == LONGEST


def test_two_long_names_that_would_look_the_same_stay_whole() -> None:
    names = [f"payments-reconciliation-{word}-of-the-worker" for word in ("eu", "us")]

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
    assert listed(map(str, range(count))) == words
