"""The observation of a flow from the result of its probe."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.unit.observe.probe_results import (
    CANARY,
    DB,
    HOST_SOCKETS,
    LISTENER,
    OUTSIDE_SOCKETS,
    PROXY,
    endpoint,
    result,
)

from cloison.model.facts import Attachment, Container, EngineFacts, Facts, Listener, NetworkFacts
from cloison.model.flow import HOST, OUTSIDE, Endpoint, EndpointKind, Flow, Protocol, Vantage
from cloison.model.outcome import Outcome, Reach, observation, unknown
from cloison.observe.evidence import Controls
from cloison.observe.interpret import Interpreter, VantageKey, pings, vantage_key
from cloison.probe.probe import Probe
from cloison.probe.sockets import ProbeSockets, SourceRoute

FROM_PROXY, FROM_OUTSIDE = Vantage("proxy", "p-proxy-1"), Vantage(OUTSIDE)
PROXY_TO_DB = Flow(FROM_PROXY, LISTENER)
TO_OUTSIDE = Flow(FROM_PROXY, Endpoint(OUTSIDE, "", EndpointKind.CANARY, Protocol.TCP, 0, "", "198.51.100.9", 0))
FACTS = Facts(
    EngineFacts("docker", "28.5.2", "DROP"),
    (
        Container("p-db-1", "db", "p", "db", 7, "", attachments=(Attachment("p_back", "10.1.0.2"),)),
        Container("p-proxy-1", "proxy", "p", "proxy", 8, "", attachments=(Attachment("p_back", "10.1.0.3"),)),
    ),
    (NetworkFacts("p_back"), NetworkFacts("p_vlan", driver="macvlan")),
    host_addresses=("192.0.2.1",),
)
PASSED = Controls("", "")
SOCKETS = {("", "p-db-1"): DB, ("", "p-proxy-1"): PROXY, (HOST, ""): HOST_SOCKETS, (OUTSIDE, ""): OUTSIDE_SOCKETS}
CONTROLS: dict[VantageKey, Controls] = dict.fromkeys(SOCKETS, PASSED)


def interpreter(facts: Facts = FACTS, *proxies: Listener) -> Interpreter:
    """Return an interpreter of probes in the sample project."""
    return Interpreter(facts, SOCKETS, frozenset(proxies))


def reach(probe: Probe, flow: Flow = PROXY_TO_DB, facts: Facts = FACTS) -> Reach:
    """Return the reach of a flow whose controls passed."""
    return interpreter(facts).observation_of(flow, probe, CONTROLS, {}).reach


def published(protocol: Protocol = Protocol.UDP, address: str = "192.0.2.1") -> Flow:
    """Return the flow from outside to the published port of the database."""
    return Flow(FROM_OUTSIDE, Endpoint("db", "p-db-1", EndpointKind.PUBLISHED, protocol, 3306, "", address, 8080))


def test_a_namespace_is_known_by_its_container_or_its_place() -> None:
    assert [("", "p-proxy-1"), ("", "p-db-1"), (OUTSIDE, "")] == [
        vantage_key(point) for point in (FROM_PROXY, LISTENER, FROM_OUTSIDE)
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [(Outcome.ACCEPTED, Reach.OPEN), (Outcome.SILENT, Reach.SHUT), (Outcome.ERROR, Reach.UNKNOWN)],
)
def test_an_outcome_has_its_reach(outcome: Outcome, expected: Reach) -> None:
    assert expected is reach(result(DB, outcome=outcome))


def test_a_flow_that_was_not_probed_has_the_observation_of_its_reason() -> None:
    known = unknown("the container does not run")

    assert known is interpreter().observation_of(PROXY_TO_DB, known, CONTROLS, {})


@pytest.mark.parametrize("name", ["p-proxy-1", "p-db-1", "10.1.0.2"])
def test_a_flow_is_unknown_if_an_end_of_it_changed(name: str) -> None:
    probe = result(DB, outcome=Outcome.SILENT)

    assert unknown("it changed") == interpreter().observation_of(PROXY_TO_DB, probe, CONTROLS, {name: "it changed"})


def test_a_change_of_another_container_changes_no_flow() -> None:
    probe = result(DB, outcome=Outcome.SILENT)

    assert Reach.SHUT is interpreter().observation_of(PROXY_TO_DB, probe, CONTROLS, {"p-job-1": "it changed"}).reach


def test_a_flow_is_unknown_if_a_control_of_its_vantage_failed() -> None:
    controls = {**CONTROLS, ("", "p-proxy-1"): Controls("", "everything answers")}
    probe = result(DB, outcome=Outcome.ACCEPTED)

    assert unknown("everything answers") == interpreter().observation_of(PROXY_TO_DB, probe, controls, {})


def test_silence_is_unknown_if_the_endpoints_namespace_was_not_watched() -> None:
    controls = {**CONTROLS, ("", "p-db-1"): Controls("its canary is not reached", "")}
    probe = result(DB, outcome=Outcome.SILENT)

    assert Reach.UNKNOWN is interpreter().observation_of(PROXY_TO_DB, probe, controls, {}).reach


def test_equal_results_share_one_observation() -> None:
    shared = interpreter()
    one, other = (shared.observation_of(PROXY_TO_DB, result(DB, outcome=Outcome.SILENT), CONTROLS, {}) for _ in "ab")

    assert one is other


def test_a_packet_that_arrived_in_another_namespace_is_no_observation_of_the_endpoint() -> None:
    probe = result(DB, outcome=Outcome.ACCEPTED, arrived=(HOST_SOCKETS,))
    found = interpreter().observation_of(PROXY_TO_DB, probe, CONTROLS, {})

    assert Reach.UNKNOWN is found.reach
    assert found.evidence.endswith("and arrived inside host, which is not the endpoint of this flow")


def test_a_packet_that_arrived_at_its_target_too_is_an_observation() -> None:
    assert Reach.OPEN is reach(result(DB, outcome=Outcome.ARRIVED, arrived=(HOST_SOCKETS, DB)))


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (EndpointKind.LISTENER, Outcome.ACCEPTED),
        (EndpointKind.CANARY, Outcome.ACCEPTED),
        (EndpointKind.DECLARED, Outcome.ARRIVED),
    ],
)
def test_a_datagram_that_arrived_is_accepted_where_a_socket_listens(kind: EndpointKind, outcome: Outcome) -> None:
    flow = Flow(FROM_PROXY, endpoint(kind, protocol=Protocol.UDP))
    probe = result(DB, outcome=Outcome.ARRIVED, arrived=(DB,), protocol=Protocol.UDP)

    assert outcome is interpreter().observation_of(flow, probe, CONTROLS, {}).outcome


@pytest.mark.parametrize(
    ("listener", "outcome"),
    [
        (Listener("p-db-1", Protocol.UDP, "0.0.0.0", 3306), Outcome.ACCEPTED),
        (Listener("p-db-1", Protocol.TCP, "0.0.0.0", 3306), Outcome.ARRIVED),
        (Listener("p-db-1", Protocol.UDP, "127.0.0.1", 3306), Outcome.ARRIVED),
    ],
)
def test_a_datagram_to_a_published_port_is_accepted_where_the_container_listens(
    listener: Listener, outcome: Outcome
) -> None:
    facts = replace(FACTS, listeners=frozenset({listener}))
    probe = result(DB, outcome=Outcome.ARRIVED, arrived=(DB,), protocol=Protocol.UDP, address="192.0.2.1")

    assert outcome is interpreter(facts).observation_of(published(), probe, CONTROLS, {}).outcome


@pytest.mark.parametrize(
    ("port", "arrived", "outcome"),
    [(8080, (HOST_SOCKETS,), Outcome.ACCEPTED), (8081, (HOST_SOCKETS,), Outcome.SILENT), (8080, (), Outcome.SILENT)],
)
def test_a_datagram_that_docker_proxy_receives_is_accepted(
    port: int, arrived: tuple[ProbeSockets, ...], outcome: Outcome
) -> None:
    proxies = interpreter(FACTS, Listener("", Protocol.UDP, "192.0.2.1", port))
    probe = result(DB, outcome=Outcome.SILENT, arrived=arrived, protocol=Protocol.UDP, address="192.0.2.1")

    assert outcome is proxies.observation_of(published(), probe, CONTROLS, {}).outcome


def test_a_probe_of_a_published_port_may_arrive_where_its_address_is() -> None:
    at_the_host = result(DB, outcome=Outcome.ACCEPTED, arrived=(HOST_SOCKETS,))
    at_a_container = result(DB, outcome=Outcome.ACCEPTED, arrived=(PROXY,))

    assert Reach.OPEN is reach(at_the_host, published(Protocol.TCP))
    assert Reach.UNKNOWN is reach(at_a_container, published(Protocol.TCP))
    assert Reach.OPEN is reach(at_a_container, published(Protocol.TCP, "10.1.0.3"))


def test_the_external_host_does_not_observe_a_network_that_bypasses_the_host() -> None:
    end = msgspec.structs.replace(LISTENER, network="p_vlan")
    found = interpreter().observation_of(
        Flow(FROM_OUTSIDE, end), result(DB, outcome=Outcome.SILENT, sender=OUTSIDE_SOCKETS), CONTROLS, {}
    )

    assert unknown("the outside machine is not on p_vlan, whose driver is macvlan") == found


def egress(source: str | None, *attachments: Attachment) -> Interpreter:
    """Return an interpreter of a proxy with these attachments and this source address of its default route."""
    sockets = replace(PROXY)
    route = SourceRoute(source, 4, 0, b"") if source else OSError("no route")
    sockets.routes[TO_OUTSIDE.endpoint.address, ""] = route
    containers = tuple(replace(c, attachments=attachments) if c.service == "proxy" else c for c in FACTS.containers)
    facts = replace(FACTS, containers=containers)
    return Interpreter(facts, {**SOCKETS, ("", "p-proxy-1"): sockets}, frozenset())


@pytest.mark.parametrize(
    ("source", "attachments", "expected"),
    [
        ("10.1.0.3", (Attachment("p_back", "10.1.0.3"),), ""),
        ("192.0.2.1", (), ""),
        (None, (Attachment("p_back", "10.1.0.3"),), ""),
        (
            "10.9.0.3",
            (Attachment("p_back", "10.1.0.3"),),
            "its default route has the source address 10.9.0.3 and does not pass through this host",
        ),
        (
            "10.1.0.3",
            (Attachment("p_back", "10.1.0.3"), Attachment("p_vlan", "10.3.0.3")),
            "proxy is also on p_vlan, whose packets do not pass through this host",
        ),
        (
            "10.1.0.3",
            (Attachment("p_removed", "10.1.0.3"),),
            "proxy is also on p_removed, whose packets do not pass through this host",
        ),
    ],
)
def test_egress_over_another_interface_is_not_observable(
    source: str | None, attachments: tuple[Attachment, ...], expected: str
) -> None:
    found = egress(source, *attachments)
    sender = found.probe_sockets["", "p-proxy-1"]
    probe = result(OUTSIDE_SOCKETS, outcome=Outcome.SILENT, sender=sender, address="198.51.100.9")
    seen = found.observation_of(TO_OUTSIDE, probe, CONTROLS, {})

    assert (Reach.UNKNOWN if expected else Reach.SHUT) is seen.reach
    assert expected in seen.evidence


def test_an_echo_request_counts_where_no_other_probe_arrived() -> None:
    flows = [PROXY_TO_DB, Flow(FROM_PROXY, CANARY), Flow(FROM_OUTSIDE, LISTENER), TO_OUTSIDE]
    closed = observation(Outcome.SILENT, watched=True, evidence="")
    opened = observation(Outcome.ACCEPTED, watched=True, evidence="")
    arrived = result(DB, arrived=(DB,), protocol=Protocol.ICMP)
    lost = result(DB, protocol=Protocol.ICMP)

    assert flows[:2] == pings(flows, [closed] * 4, [arrived, arrived, lost, None])
    assert flows[2:3] == pings(flows, [closed, opened, closed, closed], [arrived, arrived, arrived, None])
