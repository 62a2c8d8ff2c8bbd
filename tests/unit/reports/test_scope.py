"""A breach over one version of IP only or over one protocol only is named as such."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.unit.reports.sample_project import seen_as, service
from tests.unit.reports.sample_proofs import PROOFS, STACK, stack

from cloison.model.flow import OUTSIDE, Flow, Protocol, ip_version
from cloison.model.outcome import Observation, Outcome
from cloison.proof.schema import Proof
from cloison.reports import terminal
from cloison_view.action_items import NO_ADVICE
from cloison_view.cause_groups import action_groups
from cloison_view.ports import TargetPort, named_ports
from cloison_view.summary import summarize

BACK_V6 = {**STACK["networks"], "back": {"name": "shop_back", "internal": True, "enable_ipv6": True}}
TCP, UDP = Protocol.TCP, Protocol.UDP
ProtocolVersion = tuple[Protocol, int]


def shown(proof: Proof) -> str:
    return terminal.render(proof, color=False, width=200, strict=False)


def opened(*protocol_versions: ProtocolVersion, target_port: int = 0) -> Callable[[Flow], Observation | None]:
    """Let the outside reach one port of db over these protocols and versions, and no other port with IPv6."""

    def seen(flow: Flow) -> Observation | None:
        end = flow.endpoint
        if flow.vantage.place != OUTSIDE or end.port == 8080:
            return None
        way = (end.protocol, ip_version(end.address))
        is_open = end.place == "db" and end.service_port == target_port and way in protocol_versions
        return seen_as(flow, Outcome.ACCEPTED if is_open else Outcome.SILENT)

    return seen


@pytest.mark.parametrize(
    ("protocol_versions", "words", "mark"),
    [
        ([(TCP, 4), (UDP, 4), (TCP, 6), (UDP, 6)], "", ""),
        ([(TCP, 6), (UDP, 6)], " over IPv6 only", "/v6"),
        ([(TCP, 4), (UDP, 4)], " over IPv4 only", "/v4"),
        ([(UDP, 4), (UDP, 6)], " over UDP only", "/udp"),
        ([(TCP, 4), (TCP, 6)], " over TCP only", "/tcp"),
        ([(UDP, 6)], " over UDP IPv6 only", "/udp/v6"),
    ],
)
def test_a_breach_over_a_part_is_named_in_the_matrix_and_in_its_sentence(
    protocol_versions: list[ProtocolVersion], words: str, mark: str
) -> None:
    proof = stack(networks=BACK_V6).proof(opened(*protocol_versions))
    found = summarize(proof).by_pair[OUTSIDE, TargetPort("db", "", 0)]

    assert (found.scope.words, found.scope.suffix) == (words, mark)
    assert re.search(rf"outside │.* BREACH{mark}≠? ", shown(proof))


def test_a_scope_without_a_short_name_is_spelled_out() -> None:
    proof = stack(networks=BACK_V6).proof(opened((TCP, 4), (UDP, 6)))
    found = summarize(proof).by_pair[OUTSIDE, TargetPort("db", "", 0)]

    assert (found.scope.words, found.scope.suffix) == (" over TCP IPv4 and UDP IPv6 only", "/part")
    assert "/part over some protocols and versions of IP only" in shown(proof)


def test_two_causes_of_one_connection_name_ipv6_and_neither_says_only() -> None:
    report = shown(stack(networks=BACK_V6).proof(opened((TCP, 4), (UDP, 4), (TCP, 6), (UDP, 6))))

    assert "  BREACH (drift)  outside reaches db:* at 198.18.0.21 on back\n" in report
    assert "    outside reaches db:* over IPv6 at 2001:db8:f000:1::21 on back\n" in report


def test_a_source_without_ipv6_is_not_said_to_get_out_over_ipv4_only() -> None:
    report = shown(stack(**{"x-cloison": {"allow": ["outside -> proxy:80"]}}).proof())

    assert "    proxy reaches outside\n" in report


def test_a_broken_connection_over_ipv6_does_not_say_only() -> None:
    def seen(flow: Flow) -> Observation | None:
        lost = (flow.vantage.place, flow.endpoint.place, ip_version(flow.endpoint.address)) == ("app", "db", 6)
        return seen_as(flow, Outcome.SILENT) if lost else None

    report = shown(stack(networks=BACK_V6).proof(seen))

    assert "  BROKEN  app does not reach db:3306 over IPv6 at 2001:db8:f000:1::21 on back\n" in report
    assert "BROKEN/v6" in report


def test_link_local_addresses_are_not_spelled_out() -> None:
    world = stack(networks=BACK_V6, **{"x-cloison": {"allow": ["outside -> proxy:80"]}})
    report = shown(world.near(("shop_back", "fe80::1"), ("shop_back", "fe80::42:1")).proof())

    assert "fe80" not in report.partition("Coverage")[0].replace("at fe80", "")


def test_many_ports_of_the_host_are_one_finding_and_one_column() -> None:
    proof = PROOFS["host"]()
    ports = [
        connection
        for item in action_groups(summarize(proof), lambda _: NO_ADVICE)
        for connection in item.connections
        if len(connection.ends) > 1
    ]

    assert [len(connection.ends) for connection in ports] == [6, 7]
    assert "6 ports" in shown(proof)


def test_a_few_ports_of_the_host_are_named_ports() -> None:
    ports = [TargetPort("host", "tcp", port) for port in (22, 111, 2049)]

    assert named_ports(ports) == ["host:22", "host:111", "host:2049"]
    assert named_ports([*ports, TargetPort("host", "udp", 53), TargetPort("host", "", 0)]) == [
        "host: 4 ports (22, 111, 2049 and 53/udp)",
        "host:*",
    ]


def test_many_ports_of_a_service_are_named_ports() -> None:
    assert len(named_ports([TargetPort("db", "tcp", port) for port in range(1, 9)])) == 8


def test_a_port_of_the_host_that_is_open_over_ipv6_alone_is_not_counted_with_the_others() -> None:
    world = stack(networks=BACK_V6, **{"x-cloison": {"allow": ["outside -> proxy:80"]}})
    ports = [(TCP, port) for port in (22, 111, 2049, 5432, 9100)]

    def seen(flow: Flow) -> Observation | None:
        shut = flow.endpoint.service_port == 5432 and ip_version(flow.endpoint.address) == 4
        return seen_as(flow, Outcome.SILENT) if shut and flow.vantage.place != "host" else None

    report = shown(world.serving(*ports).proof(seen))

    assert "host: 4 ports (22, 111, 2049 and 9100)" in report
    assert "host:5432 over IPv6 only" in report
    assert "BREACH/v6" in report


def test_sources_that_reach_the_same_port_share_a_sentence() -> None:
    services = {name: service(5000, "back") for name in ("app", "job", "web")}
    report = shown(stack(services=services, **{"x-cloison": {"allow": ["app -> job", "job -> app"]}}).proof())

    assert "    app, job, web reach host\n" in report
