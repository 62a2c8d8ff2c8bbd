"""Every example and every sentence of docs/policy.md, on the project of the page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML

from cloison.compose import policy
from cloison.compose import project as compose_project
from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.errors import PolicyError
from cloison.plan.planner import plan
from cloison.plan.schema import Plan
from cloison.plan.synthetic_facts import Assumptions
from cloison.proof.schema import Tool

PAGE: Final = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
BLOCKS: Final = dict(re.findall(r"```yaml (project|policy)\n(.*?)```", PAGE, re.DOTALL))
FLOWS: Final = re.findall(
    r"^\| `([^`]*->[^`]*)` \| [^`]", PAGE.split("## A flow")[1].split("## Tolerations")[0], re.MULTILINE
)
ERRORS: Final = re.findall(r"^\| `([^|]*)` \| `(x-cloison.*)` \|$", PAGE, re.MULTILINE)
GROUPS: Final = {"backends": ["api", "worker"]}
SERVICES: Final = ("api", "db", "dns", "media", "proxy", "web", "worker")


def parsed(text: str) -> Any:
    return yaml.safe_load(text)


def project(rules: Any = None, **services: Any) -> Project:
    """Return the project of the page as Compose resolves it, with a policy and further services."""
    written = parsed(BLOCKS["project"])
    bodies = {name: _resolved(body) for name, body in {**written["services"], **services}.items()}
    document = {"name": "shop", "services": bodies, "networks": {k: v or {} for k, v in written["networks"].items()}}
    return compose_project.project(document if rules is None else {**document, "x-cloison": rules})


def _resolved(body: dict[str, Any]) -> dict[str, Any]:
    ports = [text.split(":") for text in body.get("ports", ())]
    return {
        **body,
        "ports": [{"target": int(inside), "published": host, "protocol": "tcp"} for host, inside in ports],
        "networks": dict.fromkeys(body.get("networks", ())),
    }


def planned(rules: Any, **services: Any) -> Plan:
    return plan(project(rules, **services), Assumptions("28.0", ""), Tool("cloison", "0"))


@cache
def allowed(text: str) -> frozenset[tuple[str, str, str, int]]:
    """Return the connections that a flow covers: source, target, protocol, port."""
    found = planned({"groups": GROUPS, "allow": [text]})
    return frozenset(
        (found.vantages[flow.vantage].place, end.place, end.protocol, port)
        for flow in found.flows
        if flow.intended_by and (end := found.endpoints[flow.endpoint])
        for port in range(end.service_port, max(end.service_port, end.last_port) + 1)
    )


def test_the_page_has_examples() -> None:
    assert {"project", "policy"} == set(BLOCKS)
    assert (19, 31) == (len(FLOWS), len(ERRORS))


def test_the_policy_of_the_page_is_sound() -> None:
    rules = parsed(BLOCKS["policy"])["x-cloison"]
    found = planned(rules)

    assert found.policy is not None
    assert (rules["groups"], rules["allow"]) == (found.policy.groups, found.policy.allow)
    assert "allow, groups, tolerate" == ", ".join(sorted(rules))
    assert 0 == found.totals["broken"]
    assert 0 < found.totals["tolerated"]


@pytest.mark.parametrize("text", FLOWS)
def test_a_flow_of_the_page_is_read(text: str) -> None:
    rules: Policy | None = policy.policy(project({"groups": GROUPS, "allow": [text]}))

    assert rules is not None
    assert rules.allow


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("web -> db:3306", {("web", "db", "tcp", 3306)}),
        ("web->db:3306", {("web", "db", "tcp", 3306)}),
        (
            "web -> db",
            {("web", "db", "tcp", 3306), ("web", "db", "tcp", 33060), ("web", "db", "tcp", 0), ("web", "db", "udp", 0)},
        ),
        (
            "web, api -> db:3306,33060",
            {(source, "db", "tcp", port) for source in ("web", "api") for port in (3306, 33060)},
        ),
        ("api -> dns:53/udp", {("api", "dns", "udp", 53)}),
        ("api -> dns:53, 54/udp", {("api", "dns", "udp", 53), ("api", "dns", "udp", 54)}),
        ("api -> media:8000-8100/udp", {("api", "media", "udp", port) for port in range(8000, 8101)}),
        ("web -> db:3306, dns:53", {("web", "db", "tcp", 3306), ("web", "dns", "tcp", 53)}),
        ("web -> api, worker:5001", {("web", "api", "tcp", 5001), ("web", "worker", "tcp", 5001)}),
        ("backends -> db:3306", {("api", "db", "tcp", 3306), ("worker", "db", "tcp", 3306)}),
        ("* -> dns:53/udp", {(name, "dns", "udp", 53) for name in SERVICES if name != "dns"}),
        ("web -> outside", {("web", "outside", "tcp", 0), ("web", "outside", "udp", 0)}),
        ("proxy -> outside via front", {("proxy", "outside", "tcp", 0), ("proxy", "outside", "udp", 0)}),
        ("outside -> proxy:80", {("outside", "proxy", "tcp", 80)}),
        ("web -> host", {("web", "host", "tcp", 0), ("web", "host", "udp", 0)}),
        ("host -> db:3306", {("host", "db", "tcp", 3306)}),
        ("stranger:grafana -> db:3306", set()),  # known when the project runs
        ("service:web -> db:3306", {("web", "db", "tcp", 3306)}),
    ],
)
def test_a_flow_covers_what_the_page_says(text: str, covered: set[tuple[str, str, str, int]]) -> None:
    assert text in FLOWS
    assert covered == allowed(text)


def test_a_group_to_itself_is_each_service_to_each_other_one() -> None:
    assert {("api", "worker"), ("worker", "api")} == {(s, t) for s, t, *_ in allowed("backends -> backends")}


def test_a_star_is_neither_the_host_nor_the_outside_nor_a_foreign_container() -> None:
    rules = policy.policy(project({"allow": ["* -> *"]}))

    assert rules is not None
    found = allowed("* -> *")
    assert {source for source, *_ in found} == {target for _, target, *_ in found} == set(SERVICES)


def test_only_a_star_needs_nothing_that_the_file_closes() -> None:
    apart = {"web2": {"image": "x", "networks": ["front"]}}

    assert 0 == planned({"allow": ["* -> db:3306"]}, **apart).totals["broken"]
    assert 0 < planned({"allow": ["web2 -> db:3306"]}, **apart).totals["broken"]


def test_the_host_is_judged_where_it_is_named() -> None:
    def judged(rules: dict[str, Any]) -> set[str]:
        found = planned(rules)
        return {
            str(flow.judgement)
            for flow in found.flows
            if found.vantages[flow.vantage].place == "host" and found.endpoints[flow.endpoint].service_port == 3306
        }

    assert {"unjudged"} == judged({})
    assert {"holds"} == judged({"allow": ["host -> db:3306"]})


def egress(rule: str, version: str = "28.0", **priorities: int) -> dict[str, str]:
    """Return the judgements of the IPv4 egress of a service on two networks, with their reasons."""
    networks = {key: {"gw_priority": priorities.get(key, 0)} for key in ("back", "front", "vpn")}
    document = {
        "name": "shop",
        "services": {"proxy": {"image": "x", "networks": networks}, "web": {"image": "x", "networks": {"back": None}}},
        "networks": {"back": {"internal": True}, "front": {}, "vpn": {}},
        "x-cloison": {"allow": [rule]},
    }
    found = plan(compose_project.project(document), Assumptions(version, ""), Tool("cloison", "0"))
    return {
        str(flow.judgement): flow.reason
        for flow in found.flows
        if found.vantages[flow.vantage].place == "proxy"
        if (end := found.endpoints[flow.endpoint]).place == "outside" and ":" not in end.address
    }


def test_via_demands_the_network_that_carries_the_packets() -> None:
    wrong = egress("proxy -> outside via vpn")

    assert {"holds"} == {*egress("proxy -> outside via front")}
    assert {"breach"} == {*wrong}
    assert "the egress network of proxy is front, and the policy demands vpn" in wrong["breach"]


@pytest.mark.parametrize(("version", "judgement"), [("28.0", "holds"), ("27.5", "breach")])
def test_via_is_predicted_by_the_version_of_the_engine(version: str, judgement: str) -> None:
    assert {judgement} == {*egress("proxy -> outside via vpn", version, vpn=1)}


def test_via_of_a_network_that_carries_nothing_is_broken_where_nothing_leaves() -> None:
    rules = {"allow": ["web -> outside via back"]}
    found = planned(rules)
    words = {str(f.judgement) for f in found.flows if f.intended_by == "x-cloison.allow[0]"}

    assert {"broken"} == words


def test_via_of_a_star_needs_nothing_of_services_without_egress() -> None:
    assert 0 == planned({"allow": ["* -> outside via front"]}).totals["broken"]


def test_a_toleration_to_keep_is_in_the_document() -> None:
    found = planned(parsed(BLOCKS["policy"])["x-cloison"])

    assert found.policy is not None
    assert [False, True] == [part.keep for part in found.policy.tolerate]


def test_a_service_may_be_called_host() -> None:
    host = {"host": {"image": "x", "networks": ["back"]}}

    assert "drawn" == planned(None, **host).verdict.word
    assert planned({"allow": ["service:host -> db:3306"]}, **host).flows
    with pytest.raises(PolicyError, match='write "service:host" for the service'):
        planned({"allow": ["host -> db:3306"]}, **host)


def test_a_service_in_a_shared_namespace_is_reached_at_its_owner() -> None:
    side = {"side": {"image": "x", "network_mode": "service:db"}}
    rules = policy.policy(project({"allow": ["web -> side:9000"]}, **side))

    assert rules is not None
    assert "db" == rules.allow[0].target


@pytest.mark.parametrize("version", ["20.10", "28.0"])
def test_a_published_port_is_one_connection_at_every_address(version: str) -> None:
    found = plan(project({"allow": ["outside -> proxy:80"]}), Assumptions(version, ""), Tool("cloison", "0"))
    judgements = {
        str(flow.judgement)
        for flow in found.flows
        if (found.vantages[flow.vantage].place, found.endpoints[flow.endpoint].service_port) == ("outside", 80)
    }

    assert {"holds"} == judgements


def test_a_toleration_that_is_not_needed_is_a_note() -> None:
    found = planned({"tolerate": [{"flow": "db -> outside", "why": "x"}]})

    assert ["x-cloison.tolerate[0] (db -> outside) is not needed: it matches no open flow"] == found.notes


def test_an_empty_policy_allows_nothing_and_no_policy_is_as_drawn() -> None:
    assert ("breached", "drawn") == (planned({}).verdict.word, planned(None).verdict.word)


def checked(rules: Any) -> None:
    """Do what `cloison plan` does with a policy."""
    policy.check_publications(project(rules))
    planned(rules)


@pytest.mark.parametrize(("written", "sentence"), ERRORS)
def test_an_error_of_the_page_is_the_sentence_that_is_printed(written: str, sentence: str) -> None:
    with pytest.raises(PolicyError) as refused:
        checked(parsed(f"{{{written}}}" if written.startswith("{") else written))

    assert sentence == str(refused.value)


@pytest.mark.parametrize("key", ["x-cloisons"])
def test_a_key_that_compose_ignores_is_an_error(key: str) -> None:
    document = {"name": "shop", "services": {}, key: {}}

    with pytest.raises(PolicyError, match=key):
        compose_project.project(document)
    with pytest.raises(PolicyError, match=r"services\.web\.x-cloison"):
        compose_project.project({"name": "shop", "services": {"web": {"x-cloison": {}}}})


def test_a_port_that_the_file_does_not_declare_is_listed() -> None:
    found = planned({"allow": ["web -> worker:9"]})

    assert ["undeclared"] == [item.kind for item in found.remarks if item.where == "x-cloison.allow[0]"]
