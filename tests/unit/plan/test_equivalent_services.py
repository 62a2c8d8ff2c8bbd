"""Services that differ in nothing that a prediction reads are modelled by two of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.large_projects import KINDS, POLICY, many_services
from tests.unit.plan.sample_documents import planned, service

from cloison.plan.schema import Plan, parse
from cloison.predict import predictor
from cloison.proof.schema import canonical
from cloison.reports import plan_terminal


def classes(document: dict[str, Any]) -> list[list[str]]:
    """Return the members of each class."""
    return [[part.service for part in found.services] for found in planned(document).alike]


def workers(count: int = 6, policy: Any = None, **changed: Any) -> dict[str, Any]:
    """Return equal workers, and a database that is not one of them; `changed` are members of the first worker."""
    services = {f"w{number}": service("net", expose=(9000,)) for number in range(count)}
    services["w0"] |= changed
    document = {
        "name": "shop",
        "services": {**services, "db": service("net", "back", expose=(3306,))},
        "networks": {key: {"name": f"shop_{key}"} for key in ("net", "back")},
    }
    return document | ({"x-cloison": policy} if policy is not None else {})


ALL = [f"w{number}" for number in range(6)]


def test_equal_services_are_one_class_of_which_two_are_modelled() -> None:
    plan = planned(workers())

    assert [ALL] == classes(workers())
    assert [["w0", "w1"]] == [found.modelled for found in plan.alike]
    assert {"db", "host", "outside", "w0", "w1"} == {vantage.place for vantage in plan.vantages}
    assert {*ALL, "db"} == {part.name for part in plan.project.services}
    assert plan == parse(canonical(plan))


def test_few_equal_services_are_all_modelled() -> None:
    assert [] == classes(workers(4))


@pytest.mark.parametrize(
    "changed",
    [
        {"networks": {"back": None}},
        {"networks": {"net": {"gw_priority": 3}}},
        {"networks": None, "network_mode": "host"},
        {"scale": 2},
        {"sysctls": {"net.ipv6.conf.all.disable_ipv6": "0"}},
        {"ports": [{"target": 80, "published": "80", "protocol": "tcp"}]},
    ],
    ids=str,
)
def test_a_service_that_differs_is_in_no_class(changed: dict[str, Any]) -> None:
    assert [ALL[1:]] == classes(workers(**changed))


@pytest.mark.parametrize(
    ("policy", "members"),
    [
        ({"allow": ["w0 -> db:3306"]}, ALL[1:]),
        ({"allow": ["db -> w0:9000"]}, ALL[1:]),
        ({"allow": [f"{name} -> db:3306" for name in ALL]}, ALL),
        ({"allow": [f"{', '.join(ALL)} -> db:3306"]}, ALL),
        ({"allow": ["w0 -> db", "* -> db", *(f"{name} -> db" for name in ALL[1:])]}, ALL[1:]),
        ({"allow": ["* -> *:9000"]}, ALL),
        ({"allow": [], "tolerate": [{"flow": f"{name} -> db", "why": "x"} for name in ALL]}, None),
        ({"allow": [], "tolerate": [{"flow": f"{', '.join(ALL)} -> db", "why": "x"}]}, ALL),
    ],
    ids=str,
)
def test_a_policy_that_treats_services_differently_keeps_them_apart(policy: Any, members: list[str] | None) -> None:
    assert ([members] if members else []) == classes(workers(policy=policy))


def test_exposed_ports_that_no_rule_names_make_no_difference_between_many_services() -> None:
    few, many = workers(expose=["7000"]), workers(10, expose=["7000"])

    assert [ALL[1:]] == classes(few)
    assert [[f"w{number}" for number in range(10)]] == classes(many)
    assert [[f"w{number}" for number in range(1, 10)]] == classes(many | {"x-cloison": {"allow": ["* -> w0:7000"]}})
    assert {0} == {end.service_port for end in planned(many).endpoints if end.place == "w1"}


def test_services_in_the_hosts_namespace_are_one_class_only_with_the_same_ports() -> None:
    document = workers()
    for name in ALL:
        document["services"][name] = {"network_mode": "host", "expose": ["9000" if name != "w0" else "7000"]}

    assert [ALL[1:]] == classes(document)


def test_services_that_publish_are_one_class_whatever_their_ports_of_the_host() -> None:
    document = workers()
    for number, name in enumerate(ALL):
        document["services"][name]["ports"] = [{"target": 80, "published": str(8000 + number), "protocol": "tcp"}]
    plan = planned(document)

    assert [ALL] == classes(document)
    assert ["8003:80/tcp", "9000/tcp"] == plan.alike[0].services[3].ports
    assert 0 in {end.port for end in plan.endpoints if end.kind == "published"}


def test_services_that_publish_at_one_port_of_the_host_are_in_no_class() -> None:
    document = workers()
    for name in ALL:
        document["services"][name]["ports"] = [{"target": 80, "published": "8000", "protocol": "tcp", "host_ip": "::1"}]

    assert [] == classes(document)


def test_a_member_names_the_address_that_it_publishes_on() -> None:
    document = workers()
    for number, name in enumerate(ALL):
        port = {"target": 80, "published": str(8000 + number), "protocol": "tcp", "host_ip": "127.0.0.1"}
        document["services"][name]["ports"] = [port]

    assert "127.0.0.1:8000:80/tcp" in planned(document).alike[0].services[0].ports


def test_a_service_whose_namespace_is_shared_is_in_no_class() -> None:
    document = workers()
    document["services"]["side"] = {"network_mode": "service:w0"}

    assert [ALL[1:]] == classes(document)


def test_a_rule_with_a_star_is_about_the_replicas_of_every_member() -> None:
    document = workers(policy={"allow": ["* -> *"]})
    for name in ALL:
        document["services"][name]["scale"] = 2
    plan = planned(document)

    assert [ALL] == classes(document)
    assert ("w0", "w0") in {
        (plan.vantages[flow.vantage].place, plan.endpoints[flow.endpoint].place) for flow in plan.flows
    }


def test_the_proposal_counts_all_members_of_a_class() -> None:
    plan = planned(workers(policy={"allow": ["* -> db:3306", "w3 -> outside"]}))
    assert plan.proposal

    assert {"w0 -> w5", "w4 -> w1"} <= {*plan.proposal.shuts}
    changed = {part.service for part in plan.proposal.services} - {"db"}
    assert changed == {*ALL} - {"w1"}  # which stays on the network that keeps its name


@pytest.mark.no_cover  # large
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", [None, POLICY], ids=["no policy", "policy"])
def test_the_size_of_a_plan_depends_on_the_kinds_of_services_and_not_on_their_number(
    kind: str, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    predict = predictor.predict

    def counted(project: Any, facts: Any, flows: Any) -> Any:
        asked.append(len(flows))
        return predict(project, facts, flows)

    monkeypatch.setattr(predictor, "predict", counted)
    count = 400 if kind == "identical" else 160  # the other kinds take longer, and their classes are as many
    plan = planned(many_services(count, 20, kind, policy))

    assert max(asked) < 12_000, "it was half a million"
    assert count == len(plan.project.services)
    assert lines(plan) < 200


@pytest.mark.no_cover  # large
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", [None, POLICY], ids=["no policy", "policy"])
def test_the_report_of_one_large_network_is_short(kind: str, policy: Any) -> None:
    assert lines(planned(many_services(53, 1, kind, policy))) < 60


@pytest.mark.no_cover  # large
def test_the_report_is_short_where_the_policy_treats_every_service_differently() -> None:
    allow = ["outside -> s000:80", *(f"s{n:03} -> s{n + 1:03}:5432" for n in range(0, 52, 3))]

    assert lines(planned(many_services(53, 1, "different", {"allow": allow}))) < 60


@pytest.mark.no_cover  # large
def test_a_report_of_many_networks_is_short_where_the_policy_treats_every_service_differently() -> None:
    allow = ["outside -> s000:80", *(f"s{n:03} -> s{n + 20:03}:5432" for n in range(79))]
    tolerate = [{"network": f"n{n}", "why": "x"} for n in range(20)]

    assert lines(planned(many_services(100, 20, "different", {"allow": allow, "tolerate": tolerate}))) < 200


def lines(plan: Plan) -> int:
    """Return the number of lines on a terminal of 80 columns."""
    return len(plan_terminal.render(plan, color=False, width=80, strict=False).splitlines())
