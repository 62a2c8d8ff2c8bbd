from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.fake_engine import (
    BACK,
    DUAL_STACK,
    EVERYWHERE,
    FRONT,
    GATEWAYS,
    GATEWAYS_V6,
    LAN,
    LAN_V6,
    LINK_LOCAL_GATEWAY,
    OUTSIDE_SEGMENT,
    OUTSIDE_SEGMENT_V6,
    STACK,
    FakeEngine,
    container,
    foreign_container,
    labels,
)

from cloison.model.facts import PublishedPort
from cloison.model.flow import HOST, OUTSIDE, EndpointKind, Protocol, Vantage
from cloison.verdict import flow_enumeration

TCP, UDP = Protocol.TCP, Protocol.UDP
GATEWAYS_AT = {(address, network) for network, address in GATEWAYS.items()}
AGENT = STACK.with_service("agent", network_mode="host").with_containers(container("agent", network_mode="host"))
SPY = STACK.with_containers(foreign_container("spy", (BACK, "172.30.1.66"), project="other"))
WAITED_FOR = {"job": {"condition": "service_completed_successfully"}}
JOB = STACK.with_service("job", networks={"backend_net": None}).with_service("app", depends_on=WAITED_FOR)
SCTP = STACK.with_service(
    "amf", networks={"frontend_net": None}, expose=["36412/sctp", "80"], ports=[{"target": 38412, "protocol": "sctp"}]
).with_containers(container("amf", exposed=((Protocol.SCTP, 38413), (Protocol.TCP, 81))))
SIDE_CAR = STACK.with_service("dump", network_mode="service:db", expose=["9000"]).with_containers(
    container("dump", network_mode="container:id-of-db-1")
)


def test_vantages_are_every_container_the_host_and_the_outside() -> None:
    expected = [
        Vantage("app", "app-1"),
        Vantage("db", "db-1"),
        Vantage(HOST),
        Vantage(OUTSIDE),
        Vantage("proxy", "proxy-1"),
    ]

    assert expected == flow_enumeration.vantages(STACK.project, STACK.facts)


@pytest.mark.parametrize(
    ("project", "service", "shown"),
    [
        ("shop", "db", "db"),
        ("other", "db", "stranger:db-9"),
        ("shop", "gone", "stranger:db-9"),
        ("", "", "stranger:db-9"),
    ],
)
def test_a_container_belongs_to_the_project_or_is_foreign(project: str, service: str, shown: str) -> None:
    known = replace(container("db", number=9), project=project, service=service)

    assert shown == flow_enumeration.place(STACK.project, known)


@pytest.mark.parametrize(
    ("deployment", "missing"),
    [
        (STACK, []),
        (STACK.with_stopped("db-1"), ["db"]),
        (STACK.with_stopped("proxy-1").with_stopped("db-1"), ["db", "proxy"]),
        (STACK.with_service("db", scale=3), ["db", "db"]),
        (STACK.with_service("db", scale=0), []),
        (STACK.with_service("db", scale=0).with_stopped("db-1"), []),
        (STACK.with_service("cache"), ["cache"]),
        (STACK.with_stopped("db-1").with_containers(container("db", number=7, one_off=True)), ["db"]),
        (STACK.with_stopped("db-1").with_containers(container("db", number=7, project="other")), ["db"]),
    ],
)
def test_a_service_without_enough_containers_is_absent(deployment: FakeEngine, missing: list[str]) -> None:
    assert missing == flow_enumeration.absent(deployment.project, deployment.facts)


def test_an_absent_service_keeps_its_flows() -> None:
    asked = labels(STACK.with_stopped("db-1").with_policy().flows())

    assert {
        "app-1 -> db:* on backend_net",
        "app-1 -> db:3306 on backend_net",
        "db -> app-1:5000 on backend_net",
        "db -> outside:*",
    } <= set(asked)
    assert not any("db-1" in name for name in asked)


def test_a_detached_network_keeps_its_flows() -> None:
    deployment = STACK.disconnected("db-1", BACK).with_policy()

    ends = [end for end in (flow.endpoint for flow in deployment.flows()) if end.container == "db-1"]
    assert {("", BACK)} == {(end.address, end.network) for end in ends}
    assert {(EndpointKind.CANARY, 0), (EndpointKind.DECLARED, 3306)} == {(end.kind, end.port) for end in ends}


def test_every_address_of_a_container_is_an_endpoint_for_every_listener() -> None:
    asked = labels(flow for flow in STACK.flows() if flow.vantage.place == "db" and flow.endpoint.place == "proxy")

    assert [
        *(
            f"db-1 -> proxy-1:{port} on {network}"
            for port in ("*", "*/udp")
            for network in ("backend_net", "frontend_net")
        ),
        "db-1 -> proxy-1:80 on backend_net",
        "db-1 -> proxy-1:80 on frontend_net",
        *(f"db-1 -> proxy-1:80 at {address}:8080" for address in sorted([LAN, "198.51.100.1", *GATEWAYS.values()])),
    ] == asked


@pytest.mark.parametrize(
    ("address", "there"),
    [(EVERYWHERE, True), ("172.30.1.2", True), ("172.30.9.9", False), ("127.0.0.1", False), ("127.0.0.53", False)],
)
def test_a_listener_is_an_endpoint_at_its_address(address: str, there: bool) -> None:
    asked = labels(STACK.with_listeners("db-1", 4444, address=address).flows())

    assert there is ("app-1 -> db-1:4444 on backend_net" in asked)


def test_a_named_port_without_a_listener_is_a_declared_endpoint() -> None:
    ends = {
        flow.endpoint for flow in STACK.without_listeners("db-1").with_policy().flows() if flow.endpoint.place == "db"
    }

    assert {(EndpointKind.CANARY, 0), (EndpointKind.DECLARED, 3306)} == {(end.kind, end.service_port) for end in ends}


def test_a_named_port_with_a_listener_on_loopback_is_a_declared_endpoint() -> None:
    deployment = STACK.without_listeners("db-1").with_listeners("db-1", 3306, address="127.0.0.1").with_policy()

    assert {EndpointKind.DECLARED} == {
        flow.endpoint.kind for flow in deployment.flows() if flow.endpoint.service_port == 3306
    }


def test_a_one_off_container_has_no_declared_endpoints() -> None:
    deployment = STACK.with_containers(container("db", (BACK, "172.30.1.9"), number=9, one_off=True)).with_policy()

    ends = {flow.endpoint for flow in deployment.flows() if flow.endpoint.container == "db-9"}
    assert {EndpointKind.CANARY} == {end.kind for end in ends}


def test_no_flow_ends_at_its_own_vantage() -> None:
    for deployment in (STACK, SPY, SIDE_CAR, STACK.with_stopped("db-1"), STACK.with_service("db", scale=2)):
        for flow in deployment.flows():
            assert (flow.vantage.place, flow.vantage.container) != (flow.endpoint.place, flow.endpoint.container)


def test_replicas_have_flows_to_each_other() -> None:
    asked = labels(
        STACK.with_service("db", scale=2).with_containers(container("db", (BACK, "172.30.1.9"), number=2)).flows()
    )

    assert {"db-1 -> db-2:* on backend_net", "db-2 -> db-1:3306 on backend_net"} <= set(asked)


def test_flows_outside_the_project_are_not_enumerated() -> None:
    deployment = SPY.with_containers(foreign_container("eve", (BACK, "172.30.1.67"))).with_listeners("spy", 22)

    asked = labels(deployment.flows())
    assert {"spy -> db-1:3306 on backend_net", "db-1 -> spy:22 on backend_net"} <= set(asked)
    assert not {"spy -> eve:* on backend_net", "spy -> outside:*", "host -> spy:* on backend_net"} & set(asked)
    assert not {"host -> outside:*", "outside -> host:* on backend_net"} & set(asked)


def test_a_stopped_container_is_neither_vantage_nor_endpoint() -> None:
    deployment = STACK.with_containers(replace(foreign_container("spy", (BACK, "172.30.1.66")), pid=0))

    assert STACK.flows() == deployment.flows()


@pytest.mark.parametrize(
    ("published", "addresses"),
    [
        (PublishedPort(EVERYWHERE, 8080, TCP, 80), {LAN, "198.51.100.1", *GATEWAYS.values()}),
        (PublishedPort(LAN, 8080, TCP, 80), {LAN}),
        (PublishedPort("127.0.0.1", 8080, TCP, 80), set()),  # probed from the host only
        (PublishedPort("203.0.113.1", 8080, TCP, 80), set()),  # an address that the host no longer has
        (PublishedPort(EVERYWHERE, 53, UDP, 53), {LAN, "198.51.100.1", *GATEWAYS.values()}),
        (PublishedPort("::", 8080, TCP, 80), set()),  # the host has no IPv6 address
    ],
)
def test_a_published_port_is_probed_from_outside_at_every_address_it_binds(
    published: PublishedPort, addresses: set[str]
) -> None:
    asked = STACK.with_publications("proxy-1", published).flows()

    found = [flow for flow in asked if flow.endpoint.kind is EndpointKind.PUBLISHED]
    assert addresses == {flow.endpoint.address for flow in found if flow.vantage.place == OUTSIDE}


def test_the_host_probes_ports_published_on_its_loopback() -> None:
    asked = labels(STACK.with_publications("proxy-1", PublishedPort("127.0.0.1", 8080, TCP, 80)).flows())

    assert ["host -> proxy-1:80 at 127.0.0.1:8080"] == [name for name in asked if "-> proxy" in name and " at " in name]


def test_published_ports_of_foreign_containers_and_their_probes_are_not_enumerated() -> None:
    deployment = SPY.with_publications("spy", PublishedPort(EVERYWHERE, 9999, TCP, 99))

    asked = labels(deployment.flows())
    assert not any(":9999" in name for name in asked)
    assert not any(name.startswith("spy") and " at " in name for name in asked)


@pytest.mark.parametrize(
    ("deployment", "at_host", "outside"),
    [
        (STACK, {(LAN, ""), *GATEWAYS_AT}, {OUTSIDE_SEGMENT[1]}),
        (
            DUAL_STACK,
            {(LAN, ""), (LAN_V6, ""), *GATEWAYS_AT, *((v6, name) for name, v6 in GATEWAYS_V6.items())}
            | {(LINK_LOCAL_GATEWAY, BACK), (LINK_LOCAL_GATEWAY, FRONT)},
            {OUTSIDE_SEGMENT[1], OUTSIDE_SEGMENT_V6[1]},
        ),
    ],
)
def test_every_address_of_the_host_and_outside_has_two_canaries(
    deployment: FakeEngine, at_host: set[tuple[str, str]], outside: set[str]
) -> None:
    ends = flow_enumeration.endpoints(deployment.project, deployment.facts, {})

    waiting = {(protocol, address, network) for protocol in (TCP, UDP) for address, network in at_host}
    assert waiting == {(end.protocol, end.address, end.network) for end in ends if end.place == HOST}
    waiting = {(protocol, address, "") for protocol in (TCP, UDP) for address in outside}
    assert waiting == {(end.protocol, end.address, end.network) for end in ends if end.place == OUTSIDE}


def test_without_an_outside_there_is_nothing_to_reach_there() -> None:
    facts = replace(STACK.facts, outside_addresses=())

    assert OUTSIDE not in {end.place for end in flow_enumeration.endpoints(STACK.project, facts, {})}


def test_the_gateway_of_the_outside_is_no_endpoint() -> None:
    asked = labels(DUAL_STACK.with_listeners("", 22).flows())

    assert not any(
        address in name for name in asked for address in (OUTSIDE_SEGMENT[0], OUTSIDE_SEGMENT_V6[0]) if "host:" in name
    )


@pytest.mark.parametrize(
    ("address", "where"),
    [
        (EVERYWHERE, {f"at {LAN}", "on backend_net", "on frontend_net"}),
        (LAN, {f"at {LAN}"}),
        ("172.30.1.1", {"on backend_net"}),
        ("127.0.0.53", set()),
        ("::1", set()),
        ("203.0.113.1", set()),  # an address that the host no longer has
        (
            "::",
            {f"at {LAN_V6}", "on backend_net over IPv6", "on frontend_net over IPv6", "on backend_net over its link"},
        ),
        (GATEWAYS_V6[FRONT], {"on frontend_net over IPv6"}),
    ],
)
def test_a_listener_of_the_host_is_an_endpoint_at_each_of_its_addresses(address: str, where: set[str]) -> None:
    deployment = DUAL_STACK.with_listeners("", 22, address=address).with_listeners(
        "", 53, address=address, protocol=UDP
    )

    asked = labels(deployment.flows())
    assert {f"app-1 -> host:{port} {at}" for port in ("22", "53/udp") for at in where} == {
        name for name in asked if name.startswith(("app-1 -> host:22", "app-1 -> host:53"))
    }


def test_the_host_has_no_flows_from_the_outside_or_foreign_containers() -> None:
    asked = labels(SPY.with_listeners("", 22).flows())

    assert not {name for name in asked if name.startswith(("outside -> host", "spy -> host", "host -> host"))}


def test_a_link_local_address_is_probed_only_from_its_own_network() -> None:
    asked = labels(DUAL_STACK.flows())

    assert {f"{name}-1 -> host:* on backend_net over its link" for name in ("app", "db", "proxy")} | {
        "proxy-1 -> host:* on frontend_net over its link"
    } == {
        name for name in asked if name.endswith(":* on backend_net over its link") or "frontend_net over its" in name
    } - {"proxy-1 -> host:*/udp on frontend_net over its link"}


def test_every_address_of_a_container_is_an_endpoint_in_both_versions_of_ip() -> None:
    asked = labels(flow for flow in DUAL_STACK.flows() if flow.vantage.place == "app" and flow.endpoint.place == "db")

    assert [
        f"app-1 -> db-1:{port} on backend_net{over}" for port in ("*", "*/udp", "3306") for over in ("", " over IPv6")
    ] == sorted(asked)


def test_a_listener_on_one_version_of_ip_is_an_endpoint_in_it_only() -> None:
    asked = labels(DUAL_STACK.with_listeners("db-1", 4444, address="::").flows())

    assert "app-1 -> db-1:4444 on backend_net over IPv6" in asked
    assert "app-1 -> db-1:4444 on backend_net" not in asked


def test_a_port_that_is_published_over_ipv6_is_probed_at_the_hosts_ipv6_addresses() -> None:
    asked = [
        flow
        for flow in DUAL_STACK.flows()
        if flow.endpoint.kind is EndpointKind.PUBLISHED and ":" in flow.endpoint.address
    ]

    everywhere = {LAN_V6, OUTSIDE_SEGMENT_V6[0], *GATEWAYS_V6.values()}
    assert everywhere == {flow.endpoint.address for flow in asked if flow.vantage.place == OUTSIDE}
    assert everywhere | {"::1"} == {flow.endpoint.address for flow in asked if flow.vantage.place == HOST}


def test_a_service_in_the_hosts_namespace_has_its_endpoints_at_the_hosts_addresses() -> None:
    deployment = (
        AGENT.with_service("agent", expose=["9001"])
        .with_listeners("agent-1", 9000)
        .with_policy({"allow": ["app -> agent:9001"]})
    )

    asked = labels(deployment.flows())
    assert "agent-1 -> db-1:3306 on backend_net" in asked
    assert {
        f"app-1 -> agent-1:{port} {where}"
        for port in (9000, 9001)
        for where in (f"at {LAN}", f"at {OUTSIDE_SEGMENT[0]}", "on backend_net", "on frontend_net")
    } == {name for name in asked if name.startswith("app-1 -> agent-1")}
    assert {EndpointKind.DECLARED} == {f.endpoint.kind for f in deployment.flows() if f.endpoint.service_port == 9001}


def test_a_service_in_the_hosts_namespace_has_no_canaries_of_its_own() -> None:
    assert not [flow for flow in AGENT.flows() if flow.endpoint.place == "agent"]


def test_the_known_ports_have_a_listener_or_are_declared_published_or_exposed_by_the_image() -> None:
    deployment = STACK.with_service("proxy", expose=["81"]).with_containers(
        container("db", number=2, exposed=((TCP, 33060),))
    )

    known = flow_enumeration.known_ports(deployment.project, deployment.facts)
    assert {
        "app": {(TCP, 5000)},
        "db": {(TCP, 3306), (TCP, 33060)},
        "proxy": {(TCP, 80), (TCP, 81)},
    } == known


def test_stopped_and_foreign_containers_have_no_known_ports() -> None:
    deployment = SPY.with_stopped("db-1").with_listeners("spy", 22)

    assert {"app", "proxy"} == set(flow_enumeration.known_ports(deployment.project, deployment.facts))


def test_the_ports_of_a_side_car_are_those_of_the_namespace_it_shares() -> None:
    assert {(TCP, 3306), (TCP, 9000)} == flow_enumeration.known_ports(SIDE_CAR.project, SIDE_CAR.facts)["db"]
    assert "dump" not in flow_enumeration.known_ports(SIDE_CAR.project, SIDE_CAR.facts)


def test_a_side_car_of_a_stopped_service_says_nothing_about_its_ports() -> None:
    deployment = SIDE_CAR.with_stopped("db-1")

    assert {"app", "proxy"} == set(flow_enumeration.known_ports(deployment.project, deployment.facts))


@pytest.mark.parametrize(
    ("deployment", "passed_over"),
    [
        (STACK, []),
        (SPY, []),
        (AGENT, []),
        (DUAL_STACK, []),
        (
            JOB.with_containers(container("job", pid=0, has_completed=True)),
            [("service job", "it has completed")],
        ),
        (
            JOB.with_containers(container("job", pid=0)),
            [],
        ),
        (SCTP, [("amf:36412/sctp, amf:38412/sctp, amf:38413/sctp", "SCTP is not probed")]),
    ],
)
def test_what_is_not_probed_is_listed(deployment: FakeEngine, passed_over: list[tuple[str, str]]) -> None:
    assert passed_over == flow_enumeration.skipped(deployment.project, deployment.facts)


def test_a_service_that_was_to_complete_and_did_is_not_absent() -> None:
    ended = JOB.with_containers(container("job", pid=0, has_completed=True))

    assert (["job"], []) == (
        flow_enumeration.absent(JOB.project, JOB.facts),
        flow_enumeration.absent(ended.project, ended.facts),
    )


def test_a_service_that_was_to_complete_and_failed_is_absent() -> None:
    failed = JOB.with_containers(container("job", pid=0))

    assert ["job"] == flow_enumeration.absent(failed.project, failed.facts)


def test_a_service_that_was_not_to_complete_is_absent_however_it_ended() -> None:
    deployment = STACK.with_service("job", networks={"backend_net": None}).with_containers(
        container("job", pid=0, has_completed=True)
    )

    assert ["job"] == flow_enumeration.absent(deployment.project, deployment.facts)


def test_a_container_that_the_file_does_not_have_is_asked_at_its_published_ports() -> None:
    old = container("old", (FRONT, "172.30.2.9"), published_ports=(PublishedPort(EVERYWHERE, 8081, TCP, 80),))
    asked = labels(STACK.with_containers(old).flows())

    assert {"outside -> old-1:80 at 192.0.2.10:8081", "app-1 -> old-1:80 at 192.0.2.10:8081"} <= {*asked}
    assert "old-1 -> old-1:80 at 192.0.2.10:8081" not in asked


def test_an_open_port_that_the_file_does_not_have_is_a_breach_behind_its_back() -> None:
    old = container("old", (FRONT, "172.30.2.9"), published_ports=(PublishedPort(EVERYWHERE, 8081, TCP, 80),))
    for deployment in (STACK.with_containers(old), STACK.with_policy().with_containers(old)):
        found = deployment.found()["outside -> old-1:80 at 192.0.2.10:8081"]

        assert ("breach", "drift") == (found.judgement, found.cause)
