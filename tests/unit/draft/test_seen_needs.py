"""The needs that the connections of a running project show."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.sample_documents import service

from cloison.compose import project as compose_project
from cloison.compose.project import Project
from cloison.draft.need import Need
from cloison.draft.seen_needs import counted_connections, foreign_tolerations, seen_needs, without_listener
from cloison.linux.connections import Connection
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, Listener, NetworkFacts, PublishedPort
from cloison.model.flow import HOST, Protocol

TCP, UDP = Protocol.TCP, Protocol.UDP
WEB, DB, OTHER, OUTSIDE, GATEWAY = "10.0.0.2", "10.0.0.3", "10.0.0.9", "203.0.113.7", "10.0.0.1"


def shop() -> Project:
    services: dict[str, Any] = {
        "web": service("net", ports=("8080:80",)),
        "db": service("net", expose=(5432,)),
        "agent": service(network_mode="host"),
    }
    return compose_project.project({"name": "shop", "services": services, "networks": {"net": {"name": "shop_net"}}})


def container(name: str, address: str = "", project: str = "shop", **more: Any) -> Container:
    attachments = (Attachment("shop_net", address),) if address else ()
    return Container(f"c-{name}", name, project, name, 1, "", attachments=attachments, **more)


def facts(*more: Container, listeners: tuple[Listener, ...] = ()) -> Facts:
    web = container("web", WEB, published_ports=(PublishedPort("0.0.0.0", 8080, TCP, 80),))
    agent = container("agent", network_mode=HOST)
    return Facts(
        EngineFacts("docker", "20.10"),
        (web, container("db", DB), agent, *more),
        (NetworkFacts("shop_net", subnets=("10.0.0.0/24",)),),
        host_addresses=(GATEWAY, "127.0.0.1"),
        listeners=frozenset(listeners),
    )


def seen(*connections: Connection) -> dict[str, str]:
    owners = {(TCP, 9100): "c-agent"}
    known = facts(listeners=(Listener("c-db", UDP, "0.0.0.0", 53),))
    return {n.text: n.origin for n in seen_needs(shop(), known, connections, owners, "at 14:02")}


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        (Connection(TCP, WEB, 1, DB, 5432), "web -> db:5432"),
        (Connection(UDP, WEB, 1, DB, 53), "web -> db:53/udp"),
        (Connection(TCP, WEB, 1, OUTSIDE, 443), "web -> outside"),
        (Connection(TCP, OUTSIDE, 1, WEB, 80), "outside -> web:80"),
        (Connection(TCP, DB, 1, GATEWAY, 8080), "db -> web:80"),
        (Connection(TCP, DB, 1, GATEWAY, 9100), "db -> agent:9100"),
        (Connection(TCP, DB, 1, GATEWAY, 25), "db -> host:25"),
    ],
)
def test_a_connection_shows_a_need(connection: Connection, expected: str) -> None:
    assert {expected: "seen: 1 connection at 14:02"} == seen(connection)


def test_connections_that_stand_are_counted_with_their_protocol() -> None:
    ends = [Connection(TCP, WEB, 1, DB, 5432), Connection(TCP, WEB, 2, DB, 5432), Connection(UDP, WEB, 1, OUTSIDE, 53)]

    assert {("web", "db", TCP, 5432): 2, ("web", "outside", UDP, 0): 1} == counted_connections(
        shop(), facts(), [*ends, Connection(TCP, GATEWAY, 1, DB, 5432)], {}
    )


def test_connections_of_one_kind_are_counted_and_their_two_ends_are_one() -> None:
    found = seen(
        Connection(TCP, DB, 1, GATEWAY, 8080),
        Connection(TCP, DB, 1, WEB, 80),
        Connection(TCP, DB, 2, WEB, 80),
        Connection(TCP, WEB, 1, OUTSIDE, 443),
        Connection(UDP, WEB, 1, OUTSIDE, 53),
    )

    assert {"db -> web:80": "seen: 2 connections at 14:02", "web -> outside": "seen: 2 connections at 14:02"} == found


@pytest.mark.parametrize(
    "connection",
    [
        Connection(TCP, GATEWAY, 1, WEB, 80),
        Connection(TCP, OTHER, 1, DB, 5432),
        Connection(TCP, DB, 1, OTHER, 80),
        Connection(TCP, OUTSIDE, 1, GATEWAY, 22),
        Connection(TCP, WEB, 1, WEB, 80),
        Connection(UDP, DB, 1, WEB, 40000),
        Connection(UDP, DB, 1, GATEWAY, 53),
        Connection(TCP, OUTSIDE, 1, "203.0.113.8", 22),
    ],
)
def test_connections_of_the_host_of_foreign_containers_and_of_others_show_no_need(connection: Connection) -> None:
    foreign = container("other", OTHER, project="else")

    assert [] == seen_needs(shop(), facts(foreign), [connection], {}, "at 14:02")


def test_a_port_that_the_running_service_does_not_have_is_left_out() -> None:
    known = facts(listeners=(Listener("c-db", TCP, "0.0.0.0", 5433),))
    kept = [
        Need("web", "db", port=5433),
        Need("web", "db", port=5430, last_port=5440),
        Need("web", "db"),
        Need("web", "outside"),
    ]
    lost = [Need("web", "db", port=9, origin="x"), Need("web", "db", UDP, 5433, origin="y")]

    found = without_listener(shop(), known, [*kept, *lost])
    assert kept == found[0]
    assert [
        "web -> db:9 (x): the running db has no such port",
        "web -> db:5433/udp (y): the running db has no such port",
    ] == found[1]


def test_foreign_containers_on_a_network_of_the_project_are_tolerated_in_both_directions() -> None:
    foreign = container("other", OTHER, project="else")
    stopped = Container("c-off", "off", "else", "off", 0, "", attachments=(Attachment("shop_net", ""),))
    elsewhere = Container("c-far", "far", "else", "far", 1, "", attachments=(Attachment("else_net", ""),))

    why = "c-other is not in the file, and is on the network net"
    assert [
        {"flow": "stranger:c-other -> db, web", "why": why},
        {"flow": "db, web -> stranger:c-other", "why": why},
    ] == [*foreign_tolerations(shop(), facts(foreign, stopped, elsewhere))]


def test_a_network_of_the_engine_has_its_own_name() -> None:
    document = {"name": "shop", "services": {"a": {"network_mode": "bridge"}}}
    other = Container("x", "x", "", "", 1, "", attachments=(Attachment("bridge", "172.17.0.2"),))
    found = foreign_tolerations(compose_project.project(document), facts(other))

    assert "x is not in the file, and is on the network bridge" == next(found)["why"]
