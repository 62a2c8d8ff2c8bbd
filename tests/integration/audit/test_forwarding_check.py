"""A packet tests whether a container on two networks forwards between them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.integration.audit.conftest import IdleProject
from tests.integration.compose_project import docker

from cloison.audit import container_inspect, forwarding_check
from cloison.engine.connection import local_client
from cloison.engine.docker import Docker
from cloison.findings import container_risks
from cloison.findings.container_privileges import ForwardingPath, forwarding_paths
from cloison.findings.container_risks import ARRIVED, Risk
from cloison.model.facts import Facts
from cloison.probe import ipv4

pytestmark = pytest.mark.engine
DEFAULT_TIMEOUT = 0.4
SERVICES: dict[str, dict[str, Any]] = {
    "near": {"networks": ["one"]},
    "far": {"networks": ["two"]},
    "router": {"networks": ["one", "two"], "sysctls": {"net.ipv4.ip_forward": "1"}},
    "wall": {"networks": ["one", "two"], "sysctls": {"net.ipv4.ip_forward": "0"}},
}


@pytest.fixture
def facts(idle_project: IdleProject, image: str) -> Iterator[Facts]:
    """A project with a container that forwards and one that does not."""
    idle_project.start(image, SERVICES, networks={"one": {}, "two": {}})
    with closing(Docker(local_client())) as engine:
        yield engine.facts(idle_project.name, frozenset())


def found(facts: Facts) -> dict[str, Risk]:
    privileges = container_inspect.read(facts.containers)
    check_forwarding = forwarding_check.check_forwarding(
        forwarding_paths(facts, container_risks.routers(privileges)), facts.containers, DEFAULT_TIMEOUT
    )
    return {f.where.split("-")[1]: f for f in container_risks.risks(privileges, check_forwarding) if "route" in f.what}


def test_a_router_is_proven_by_a_packet_that_arrived(facts: Facts, idle_project: IdleProject) -> None:
    said = found(facts)

    assert said.keys() == {"router"}
    assert said["router"].what == "routes"
    name = idle_project.name
    there = f"{name}-near-1, sent to it on {name}_one for {name}-far-1 on {name}_two"
    assert f"a packet from {there}, arrived" in said["router"].evidence


def test_a_container_that_does_not_forward_forwards_no_packet(facts: Facts, idle_project: IdleProject) -> None:
    ways = forwarding_paths(facts, [idle_project.container("wall"), idle_project.container("router")])
    results = forwarding_check.check_forwarding(ways, facts.containers, DEFAULT_TIMEOUT)

    assert len(ways) == 4
    assert {result for way, result in results.items() if way.router == idle_project.container("router")} == {ARRIVED}
    assert {result for way, result in results.items() if way.router == idle_project.container("wall")} == {
        "nothing arrived there"
    }


def test_a_packet_filter_may_drop_a_forwarded_packet(idle_project: IdleProject, image: str) -> None:
    idle_project.start(image, SERVICES, networks={"one": {"internal": True}, "two": {"internal": True}})
    with closing(Docker(local_client())) as engine:
        said = found(engine.facts(idle_project.name, frozenset()))

    assert said.keys() == {"router"}
    assert said["router"].what in {"routes", "set-to-route"}
    assert ("did not arrive" in said["router"].evidence) == (said["router"].what == "set-to-route")


def test_a_container_that_has_ended_is_no_router(facts: Facts, idle_project: IdleProject) -> None:
    ways = forwarding_paths(facts, [idle_project.container("router")])
    idle_project.compose("kill", "far")
    idle_project.compose("rm", "--force", "far")

    results = forwarding_check.check_forwarding(ways, facts.containers, DEFAULT_TIMEOUT)
    assert [result for result in results.values() if not result.startswith("it could not be tested: ")] == []


def test_a_lost_attachment_is_reported(facts: Facts, idle_project: IdleProject) -> None:
    way = ForwardingPath(
        idle_project.container("router"),
        idle_project.container("near"),
        f"{idle_project.name}_one",
        idle_project.container("far"),
        f"{idle_project.name}_two",
    )
    docker("network", "disconnect", f"{idle_project.name}_one", idle_project.container("router"))

    (result,) = forwarding_check.check_forwarding([way], facts.containers, DEFAULT_TIMEOUT).values()
    assert "does not have the address" in result


def test_the_datagram_has_valid_headers() -> None:
    packet = ipv4.udp_packet("192.0.2.1", ("192.0.2.2", 4000), b"hello, you there")

    head = struct.unpack("!10H", packet[:20])
    total = sum(head)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert struct.unpack("!H", packet[2:4]) == (len(packet),)
    assert packet[9] == socket.IPPROTO_UDP
    assert packet[12:20] == bytes((192, 0, 2, 1, 192, 0, 2, 2))
    assert struct.unpack("!4H", packet[20:28]) == (4000, 4000, 24, 0)
    assert packet[28:] == b"hello, you there"
