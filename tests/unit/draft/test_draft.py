"""The drafted policy: what it allows, what it tolerates and why, and how it reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML
from tests.unit.plan.sample_documents import service

from cloison.compose import project as compose_project
from cloison.draft import text
from cloison.draft.declared_needs import declared_needs
from cloison.draft.draft import ON_LOOPBACK, SHARES_HOST, Draft, draft, remaining
from cloison.draft.need import Need
from cloison.model.flow import Protocol
from cloison.plan.synthetic_facts import Assumptions

NETWORKS = {"front": {}, "back": {"internal": True}}


def drafted(services: dict[str, Any], engine: str = "20.10", more: tuple[Need, ...] = (), **networks: Any) -> Draft:
    """Return the draft of services, after a check that nothing but what it names is open."""
    document = {"name": "shop", "services": services, "networks": {**NETWORKS, **networks}}
    project = compose_project.project(document)
    found = draft(project, [*declared_needs(project, document), *more], Assumptions(engine))
    assert bool(found.not_covered) == bool(remaining(project, found, Assumptions(engine)))
    return found


def tolerated(found: Draft) -> dict[str, str]:
    return {str(item.entry.get("flow") or item.entry["network"]): item.entry["why"] for item in found.tolerate}


def test_a_need_that_the_file_does_not_let_connect_is_left_out_with_its_origin() -> None:
    apart = {"web": service("front", depends_on={"db": {}}), "db": service("back", expose=(5432,))}
    found = drafted(apart)

    assert () == found.allow
    assert ("web -> db:5432 (services.web.depends_on; services.db declares the port)",) == found.left_out
    assert "allow: []" in text.block(found, "x")


def test_egress_is_allowed_where_it_is_needed_and_tolerated_elsewhere() -> None:
    services = {
        "mail": service("front", environment={"SMTP_HOST": "smtp.mailgun.org"}),
        "web": service("front"),
        "job": service("back", environment={"SMTP_HOST": "smtp.mailgun.org"}),
    }
    found = drafted(services)

    assert ["mail -> outside"] == [rule.text for rule in found.allow]
    assert "web -> outside" in tolerated(found)
    assert ("job -> outside (services.job.environment.SMTP_HOST)",) == found.left_out


def test_a_port_on_loopback_that_is_open_to_the_outside_is_the_first_toleration() -> None:
    services = {"db": service("front", ports=("127.0.0.1:5432:5432",)), "web": service("front", ports=("80:80",))}
    found = drafted(services)

    assert {"flow": "outside -> db:5432/tcp", "why": ON_LOOPBACK} == found.tolerate[0].entry
    assert ["outside -> web:80"] == [rule.text for rule in found.allow]
    project = compose_project.project({"name": "shop", "services": services, "networks": NETWORKS})
    assert text.accepted(project, found).startswith("This policy accepts: outside -> db:5432/tcp, although")
    assert "outside -> db:5432/tcp" not in tolerated(drafted(services, "28.0"))


def test_a_port_of_an_internal_service_is_not_allowed() -> None:
    assert ("outside -> web:80 (published in services.web.ports)",) == drafted(
        {"web": service("back", ports=("80:80",))}
    ).left_out


def test_a_rule_that_the_project_refuses_is_left_out() -> None:
    found = drafted({"web": service("front", ports=("80:80",))}, more=(Need("outside", "web", port=81, origin="seen"),))

    assert ("outside -> web:81 (seen)",) == found.left_out


def test_what_an_external_network_opens_perhaps_is_tolerated() -> None:
    found = drafted({"a": service("lent"), "b": service("lent")}, lent={"external": True})

    assert "lent" in tolerated(found)


def test_a_service_in_the_hosts_network_tolerates_what_it_will_listen_on() -> None:
    found = drafted({"agent": service(network_mode="host"), "off": service(network_mode="host", scale=0)})

    assert {"outside -> agent", "* -> agent"} <= tolerated(found).keys()
    assert {SHARES_HOST} == {why for flow, why in tolerated(found).items() if flow.endswith("-> agent")}
    assert not any("off" in flow for flow in tolerated(found))
    assert "open where the project runs" in text.block(found, "x")


def test_a_flow_to_a_place_whose_name_a_service_has_is_named() -> None:
    found = drafted({"host": service("front"), "web": service("front")})

    assert any(sentence.startswith("web -> host: a service of the project has") for sentence in found.not_covered)


def test_a_dependency_is_reached_in_a_class_of_many_like_services() -> None:
    services = {f"job{i}": service("front", depends_on={"db": {}}) for i in range(9)}
    found = drafted({**services, "db": service("front", expose=(5432,))})

    assert [f"job{i} -> db:5432" for i in range(9)] == [rule.text for rule in found.allow]


def test_the_same_project_has_the_same_block() -> None:
    services = {"web": service("front", "back", ports=("80:80",)), "db": service("back", expose=(1,))}
    again = dict(reversed(services.items()))

    assert text.block(drafted(services), "x") == text.block(drafted(again), "x")


def test_every_line_of_the_block_says_where_it_comes_from() -> None:
    services = {"web": service("front", ports=("80:80",), depends_on={"db": {}}), "db": service("front", expose=(1,))}
    found = drafted(services)
    lines = text.block(found, "drafted").splitlines()

    assert lines[:2] == ["x-cloison:", "  # drafted"]
    assert all("  # " in line for line in lines if line.startswith("    - "))
    assert found.policy == yaml.safe_load(text.block(found, "x"))["x-cloison"]


def test_a_project_with_nothing_open_accepts_nothing() -> None:
    found = drafted({"a": service(network_mode="none")})
    project = compose_project.project({"name": "shop", "services": {"a": service(network_mode="none")}})

    assert "This policy accepts nothing that it does not need." == text.accepted(project, found)
    assert "tolerate" not in text.block(found, "x")


@pytest.mark.parametrize(
    ("plain", "written"),
    [
        ("a -> b:80,81", "a -> b:80,81"),
        ("* -> b", '"* -> b"'),
        ("yes", '"yes"'),
        ("0 -> a", '"0 -> a"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("a:", '"a:"'),
    ],
)
def test_a_text_has_quotes_where_yaml_needs_them(plain: str, written: str) -> None:
    assert written == text.scalar(plain)
    assert plain == yaml.safe_load(written)


def test_a_port_of_udp_is_written_with_its_protocol() -> None:
    found = drafted({"dns": service("front", ports=("53:53/udp",))}, more=(Need("outside", "dns", Protocol.TCP, 9),))

    assert ["outside -> dns:53/udp"] == [rule.text for rule in found.allow]
