"""Whether a container between two networks carries packets is tried with a packet."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.integration.audit.conftest import Idlers

from cloison.audit import container_inspect, forwarding_check
from cloison.engine.connection import connected
from cloison.engine.docker import Docker
from cloison.findings import container_risks
from cloison.findings.container_privileges import Hop, hops
from cloison.findings.container_risks import ARRIVED, Finding
from cloison.model.facts import Facts

pytestmark = pytest.mark.engine
PATIENCE = 0.4
SERVICES: dict[str, dict[str, Any]] = {
    "near": {"networks": ["one"]},
    "far": {"networks": ["two"]},
    "router": {"networks": ["one", "two"], "sysctls": {"net.ipv4.ip_forward": "1"}},
    "wall": {"networks": ["one", "two"], "sysctls": {"net.ipv4.ip_forward": "0"}},
}


@pytest.fixture
def facts(idlers: Idlers, image: str) -> Iterator[Facts]:
    """A project with a container that forwards and one that does not."""
    idlers.start(image, SERVICES, networks={"one": {}, "two": {}})
    with closing(Docker(connected())) as engine:
        yield engine.facts(idlers.name, frozenset())


def found(facts: Facts) -> dict[str, Finding]:
    powers = container_inspect.read(facts.containers)
    tried = forwarding_check.tried(hops(facts, container_risks.routers(powers)), facts.containers, PATIENCE)
    return {f.where.split("-")[1]: f for f in container_risks.findings(powers, tried) if "route" in f.what}


def test_what_forwards_is_proven_by_a_packet_that_arrived(facts: Facts, idlers: Idlers) -> None:
    said = found(facts)

    assert said.keys() == {"router"}
    assert said["router"].what == "routes"
    there = f"{idlers.name}-near-1, handed to it on {idlers.name}_one for {idlers.name}-far-1 on {idlers.name}_two"
    assert f"a packet from {there}, arrived" in said["router"].evidence


def test_what_does_not_forward_carries_nothing(facts: Facts, idlers: Idlers) -> None:
    ways = hops(facts, [idlers.container("wall"), idlers.container("router")])
    results = forwarding_check.tried(ways, facts.containers, PATIENCE)

    assert len(ways) == 4
    assert {result for way, result in results.items() if way.router == idlers.container("router")} == {ARRIVED}
    assert {result for way, result in results.items() if way.router == idlers.container("wall")} == {
        "nothing was seen there"
    }


def test_walls_between_may_stop_what_is_forwarded(idlers: Idlers, image: str) -> None:
    idlers.start(image, SERVICES, networks={"one": {"internal": True}, "two": {"internal": True}})
    with closing(Docker(connected())) as engine:
        said = found(engine.facts(idlers.name, frozenset()))

    assert said.keys() == {"router"}
    assert said["router"].what in {"routes", "set-to-route"}
    assert ("did not: nothing was seen there" in said["router"].evidence) == (said["router"].what == "set-to-route")


def test_who_went_is_no_router(facts: Facts, idlers: Idlers) -> None:
    ways = hops(facts, [idlers.container("router")])
    idlers.compose("kill", "far")
    idlers.compose("rm", "--force", "far")

    results = forwarding_check.tried(ways, facts.containers, PATIENCE)
    assert [result for result in results.values() if not result.startswith("it could not be tried: ")] == []


def test_a_seat_that_was_given_up_is_said(facts: Facts, idlers: Idlers) -> None:
    way = Hop(
        idlers.container("router"),
        idlers.container("near"),
        f"{idlers.name}_one",
        idlers.container("far"),
        f"{idlers.name}_two",
    )
    from tests.integration.compose_project import docker  # noqa: PLC0415

    docker("network", "disconnect", f"{idlers.name}_one", idlers.container("router"))

    (result,) = forwarding_check.tried([way], facts.containers, PATIENCE).values()
    assert "does not hold" in result


def test_the_datagram_is_a_good_one() -> None:
    packet = forwarding_check.datagram("192.0.2.1", ("192.0.2.2", 4000), b"hello, you there")

    head = struct.unpack("!10H", packet[:20])
    total = sum(head)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert struct.unpack("!H", packet[2:4]) == (len(packet),)
    assert packet[9] == socket.IPPROTO_UDP
    assert packet[12:20] == bytes((192, 0, 2, 1, 192, 0, 2, 2))
    assert struct.unpack("!4H", packet[20:28]) == (4000, 4000, 24, 0)
    assert packet[28:] == b"hello, you there"
