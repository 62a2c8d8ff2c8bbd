"""A range of ports with one fate is one endpoint, one column and one finding; a port with another one splits it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.large_projects import switchboard
from tests.unit.plan.sample_documents import planned, remarks, service

from cloison.plan.schema import Plan
from cloison.reports import plan_terminal

NOTHING: dict[str, Any] = {"allow": []}


def spans(plan: Plan) -> list[tuple[int, int]]:
    """Return the ports of the switchboard that are endpoints, with the last one of each range."""
    found = {(end.service_port, end.last_port) for end in plan.endpoints if end.place == "pbx" and end.service_port}
    return sorted(found - {(5060, 0)})


def rendered(plan: Plan) -> str:
    return plan_terminal.render(plan, color=False, width=100, strict=False)


def test_a_range_is_one_endpoint_one_column_and_one_finding() -> None:
    plan = planned(switchboard(16384, 17383))
    text = rendered(plan)

    assert [(16384, 17383)] == spans(plan)
    assert 1 == text.count("16384-17383/udp  *")
    assert "ports 16384-17383 of the host are published to every machine" in {flow.rule for flow in plan.flows}
    assert 1 == sum("16384" in says for _, says in remarks(plan, "published"))
    assert len(text.splitlines()) < 50


def test_a_breach_of_a_range_names_the_range_the_ports_of_the_host_and_a_line_of_policy() -> None:
    text = rendered(planned(switchboard(10000, 20000, NOTHING, offset=1000)))

    assert "outside would reach pbx:10000-20000/udp at ports 11000-21000 of the host" in text
    assert "publish ports 10000-20000/udp of pbx on 127.0.0.1 only" in text
    assert "- outside -> pbx:10000-20000/udp" in text


@pytest.mark.parametrize(
    ("allow", "expected"),
    [
        (["outside -> pbx:105/udp"], [(100, 104), (105, 0), (106, 110)]),
        (["outside -> pbx:103-106/udp"], [(100, 102), (103, 106), (107, 110)]),
        (["* -> pbx:101/udp"], [(100, 0), (101, 0), (102, 110)]),
        (["outside -> pbx:105"], [(100, 110), (105, 0)]),
        (["outside -> pbx:5060/udp", "pbx -> db:105/udp"], [(100, 110)]),
    ],
)
def test_a_rule_splits_a_range_at_its_ends_and_nowhere_else(allow: list[str], expected: list[tuple[int, int]]) -> None:
    assert expected == spans(planned(switchboard(100, 110, {"allow": allow})))


def test_the_first_and_the_last_port_of_a_rule_are_no_ports_beside_its_range() -> None:
    plan = planned(switchboard(100, 110, {"allow": ["outside -> pbx:102-108/udp"]}))

    assert {"listener", "published"} == {end.kind for end in plan.endpoints if end.service_port > 99}


def test_a_port_that_another_service_publishes_on_loopback_splits_the_range() -> None:
    plan = planned(switchboard(100, 110, sip=service("net", ports=("127.0.0.1:105:5000/udp",))))

    assert [(100, 104), (105, 0), (106, 110)] == spans(plan)


def test_a_port_that_is_exposed_or_published_twice_splits_the_range() -> None:
    document = switchboard(100, 110)
    document["services"]["pbx"]["expose"] = ["104/udp"]
    document["services"]["pbx"]["ports"].append({"target": 108, "published": "9108", "protocol": "udp"})

    assert [(100, 103), (104, 0), (105, 107), (108, 0), (109, 0), (110, 0)] == spans(planned(document))


def test_two_ports_are_no_range_and_a_gap_ends_one() -> None:
    document = switchboard(100, 102)
    document["services"]["pbx"]["ports"] += [
        {"target": port, "published": str(port), "protocol": "udp"} for port in (104, 105)
    ]
    plan = planned(document)

    assert [(100, 102), (104, 0), (105, 0)] == spans(plan)
    assert 4 == len(remarks(plan, "published"))


def test_the_engine_may_choose_the_ports_of_a_range() -> None:
    document = switchboard(100, 110)
    for port in document["services"]["pbx"]["ports"]:
        del port["published"]
    plan = planned(document)
    says = [says for _, says in remarks(plan, "published")]

    assert [(100, 110)] == spans(plan)
    assert "ports of the host that the engine chooses forward to pbx:100-110/udp" in says[1]
    assert "a port of the host is published to every machine" in {flow.rule for flow in plan.flows}


def test_a_range_that_compose_does_not_publish_is_one_finding() -> None:
    document = switchboard(100, 110)
    document["networks"]["net"]["internal"] = True

    assert "pbx:100-110/udp are not published by Compose" in remarks(planned(document), "unpublished")[0][1]


def test_the_ports_of_a_shared_namespace_are_one_range_only_where_its_services_declare_them_alike() -> None:
    sharer = {"network_mode": "service:pbx", "expose": ["103/udp"]}

    assert [(100, 102), (103, 0), (104, 110)] == spans(planned(switchboard(100, 110, sharer=sharer)))
