"""What a policy opens, and between which ports."""

from __future__ import annotations

import pytest
from tests.unit.enforce.sample_layouts import layout, opened, port
from tests.unit.fake_engine import STACK

from cloison.enforce.openings import Opening, Way


def text(opening: Opening) -> str:
    """Return an opening as a line."""
    ends = [found.name if found else "-" for found in (opening.source, opening.target)]
    span = f"{opening.port}-{opening.last_port}" if opening.last_port else str(opening.port or "*")
    return f"{opening.way}: {ends[0]} {ends[1]} {opening.protocol or 'any'} {span}"


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("app -> db:3306", ["between: vapp1b vdb1b tcp 3306"]),
        ("app -> db:53/udp", ["between: vapp1b vdb1b udp 53"]),
        ("app -> db:8000-8100", ["between: vapp1b vdb1b tcp 8000-8100"]),
        ("app -> db", ["between: vapp1b vdb1b any *"]),
        ("proxy -> app:5000", ["between: vproxy1b vapp1b tcp 5000", "between: vproxy1f vapp1b tcp 5000"]),
        ("app -> outside", ["outbound: vapp1b - any *"]),
        ("outside -> proxy:80", ["inbound: - vproxy1b tcp 80", "inbound: - vproxy1f tcp 80"]),
        ("app -> host", ["to host: vapp1b - any *"]),
        ("host -> db:3306", ["from host: - vdb1b tcp 3306"]),
        ("proxy -> outside via frontend_net", ["outbound: vproxy1f - any *"]),
        ("stranger:spy -> db:3306", []),
    ],
)
def test_a_rule_opens_the_ports_that_it_names(rule: str, lines: list[str]) -> None:
    found = opened(allow=[rule])

    assert lines == [text(opening) for opening in found]
    assert {f"x-cloison.allow[0]: {rule}"} >= {opening.reason for opening in found}


def test_a_star_means_every_service_and_no_foreign_container() -> None:
    spy = port("spy", number=9, places=("stranger:spy",))
    found = opened(layout(spy), allow=["* -> db:3306"])

    assert ["vapp1b", "vproxy1b", "vproxy1f"] == [opening.source.name for opening in found if opening.source]


def test_a_foreign_container_is_opened_by_its_name() -> None:
    spy = port("spy", number=9, places=("stranger:spy",))

    assert ["between: vspy9b vdb1b tcp 3306"] == [
        text(o) for o in opened(layout(spy), allow=["stranger:spy -> db:3306"])
    ]


def test_replicas_reach_each_other_and_a_container_never_itself() -> None:
    second = port("app", number=2)
    found = opened(layout(second), allow=["app -> app:5000"])

    assert ["between: vapp1b vapp2b tcp 5000", "between: vapp2b vapp1b tcp 5000"] == [text(o) for o in found]


def test_a_service_in_a_shared_namespace_has_the_port_of_the_namespace() -> None:
    shared = layout(port("tunnel", number=7, places=("tunnel", "web")))
    project = STACK.with_service("tunnel", networks={"backend_net": None})
    project = project.with_service("web", network_mode="service:tunnel")

    assert ["between: vtunnel7b vdb1b tcp 3306"] == [
        text(opening) for opening in opened(shared, project.project, allow=["web -> db:3306"])
    ]


def test_a_service_in_the_hosts_namespace_is_the_host() -> None:
    project = STACK.with_service("agent", network_mode="host").project
    found = layout(host_services=frozenset({"agent"}))

    assert ["from host: - vdb1b tcp 3306"] == [text(o) for o in opened(found, project, allow=["agent -> db:3306"])]
    assert [] == opened(found, project, allow=["outside -> agent:80"])


def test_only_a_toleration_that_is_kept_opens() -> None:
    flow = {"flow": "proxy -> db:3306", "why": "known"}

    assert [] == opened(tolerate=[flow])
    assert ["between: vproxy1b vdb1b tcp 3306", "between: vproxy1f vdb1b tcp 3306"] == [
        text(o) for o in opened(tolerate=[flow | {"keep": True}])
    ]


def test_a_network_that_is_kept_opens_its_members_to_each_other() -> None:
    found = opened(tolerate=[{"network": "backend_net", "why": "known", "keep": True}])

    assert {"between"} == {str(opening.way) for opening in found}
    assert 6 == len(found)
    assert {"x-cloison.tolerate[0]: network backend_net"} == {opening.reason for opening in found}
    assert [] == opened(tolerate=[{"device": "eth1", "why": "known"}])


def test_the_first_of_equal_openings_gives_the_reason() -> None:
    found = opened(allow=["app -> db:3306", "app, proxy -> db:3306"])

    assert ["x-cloison.allow[0]: app -> db:3306"] == [o.reason for o in found if o.source and o.source.name == "vapp1b"]
    assert {Way.BETWEEN} == {opening.way for opening in found}
