"""Known isolation bypasses that follow from the file, rehearsed on this machine's engine: predicted and observed."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from tests.integration.compose_project import docker
from tests.integration.rehearse.random_projects import rehearsed

from cloison.engine.compose_cli import Selection
from cloison.model.facts import EngineFacts
from cloison.model.flow import ip_version
from cloison.model.outcome import Reach
from cloison.proof.schema import Proof

pytestmark = pytest.mark.engine
OPEN, SHUT, UNKNOWN = Reach.OPEN, Reach.SHUT, Reach.UNKNOWN
IPV4, IPV6, LINK_LOCAL = r"[\d.]+$", "2001:db8:", "fe80:"
"""How addresses look: those with IPv6 are the outside's segment, and one link's alone."""
ANYWHERE = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


def service(*networks: str, **more: Any) -> dict[str, Any]:
    return {"image": "nobody/has-this:1", "networks": [*networks], "expose": ["81"]} | more


def document(elsewhere: str) -> dict[str, Any]:
    """Return a project that publishes one port on `elsewhere`, an address of the host on another segment."""
    quiet = {"com.docker.network.bridge.enable_icc": "false"}
    return {
        "services": {
            "way": service("plain", ports=["80"]),
            "loop": service("plain", ports=["127.0.0.1::80", "127.0.0.1::53/udp"]),
            "far": service("plain", ports=[f"{elsewhere}::80"]),
            "guest": service("other"),
            "back": service("inner"),
            "left": service("quiet"),
            "right": service("quiet", ports=["80"]),
        },
        "networks": {
            "plain": {},
            "other": {},
            "quiet": {"driver_opts": quiet},
            "inner": {"internal": True, "enable_ipv6": True, "ipam": {"config": [{"subnet": "fd5c:c105:77::/64"}]}},
        },
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """A proof, and the port of a process of the host's that listens everywhere."""

    proof: Proof
    port: int
    elsewhere: str

    def reach(self, source: str, target: str, port: int, network: str = "", starts: str = IPV4) -> set[Reach]:
        """Return the observed reach of flows to matching addresses of a network, as predicted."""
        ends = self.proof.endpoints
        wanted = f"{self.proof.project.name}_{network}" if network else ""
        flows = [
            flow
            for flow in self.proof.flows
            for end in (ends[flow.endpoint],)
            if (self.proof.vantages[flow.vantage].place, end.place, end.service_port) == (source, target, port)
            and end.network == wanted
            and re.match(starts, end.address)
        ]
        assert [] == [flow.reason for flow in flows if flow.drift]
        return {flow.observed for flow in flows}

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version of the engine."""
        return EngineFacts("docker", self.proof.engine.version).release

    def evidence(self, what: str) -> dict[str, str]:
        """Return the evidence of the findings of a kind, by where they are."""
        return {finding.where: finding.evidence for finding in self.proof.findings if finding.what == what}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    elsewhere = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    file = tmp_path_factory.mktemp("drawn") / "compose.json"
    file.write_text(json.dumps(document(elsewhere)))
    with ExitStack() as stack:
        port = 0
        for family, anywhere in ANYWHERE.items():
            made = stack.enter_context(socket.socket(family))
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((anywhere, port))
            made.listen()
            port = made.getsockname()[1]
        project = Selection(files=(str(file),), project=f"drawn{os.getpid()}")
        yield Seen(rehearsed(project), port, elsewhere)


def test_before_engine_28_a_neighbor_reaches_a_port_on_loopback(seen: Seen) -> None:
    """A neighbor on the link sends a packet for 127.0.0.1. UDP ports are judged by the engine's version."""
    found = seen.evidence("loopback-published")
    loop = f"{seen.proof.project.name}-loop-1"

    assert ({loop, "engine"} if seen.release < (28, 0) else set()) == found.keys()
    assert all("arrived at port 80" in found[where] for where in found if where == loop)
    assert all("version" in found[where] for where in found if where == "engine")


def test_before_engine_28_a_published_port_is_open_at_the_containers_address(seen: Seen) -> None:
    expected = OPEN if seen.release < (28, 0) else SHUT

    assert {expected} == seen.reach("outside", "way", 80, "plain") == seen.reach("outside", "loop", 80, "plain")


def test_a_port_on_one_address_of_the_host_answers_from_another_segment(seen: Seen) -> None:
    asked = {end.address for end in seen.proof.endpoints if (end.place, end.kind) == ("far", "published")}

    assert {seen.elsewhere} == asked
    assert {OPEN} == seen.reach("outside", "far", 80)


def test_an_internal_network_reaches_listeners_of_the_host(seen: Seen) -> None:
    assert {OPEN} == seen.reach("back", "host", seen.port, "inner")
    assert {SHUT} == seen.reach("back", "outside", 0)


def test_an_internal_network_reaches_the_hosts_link_local_address(seen: Seen) -> None:
    assert {OPEN} == seen.reach("back", "host", seen.port, "inner", LINK_LOCAL)


def test_a_container_with_egress_reaches_listeners_of_the_host(seen: Seen) -> None:
    assert {OPEN} == seen.reach("guest", "host", seen.port, "other") == seen.reach("left", "host", seen.port, "quiet")


def test_a_port_of_an_ipv4_container_is_published_over_ipv6(seen: Seen) -> None:
    published = [
        end for end in seen.proof.endpoints if (end.place, end.kind, end.service_port) == ("way", "published", 80)
    ]
    own = [end for end in seen.proof.endpoints if end.place == "way" and end.network]

    assert {4, 6} == {ip_version(end.address) for end in published}
    assert {4} == {ip_version(end.address) for end in own}
    assert {OPEN} == seen.reach("outside", "way", 80, starts=IPV6)


def test_flows_that_icc_false_closes_are_not_predicted(seen: Seen) -> None:
    ends, vantages = seen.proof.endpoints, seen.proof.vantages
    between = [f for f in seen.proof.flows if (vantages[f.vantage].place, ends[f.endpoint].place) == ("left", "right")]
    between = [flow for flow in between if ends[flow.endpoint].network]

    assert {UNKNOWN} == {flow.predicted for flow in between}
    assert {"quiet has inter-container communication off, which is known to be incomplete"} == {
        flow.rule for flow in between
    }
    assert UNKNOWN not in {flow.observed for flow in between}


def test_a_published_port_bypasses_icc_false(seen: Seen) -> None:
    assert {OPEN} == seen.reach("left", "right", 80)


def test_a_published_port_is_open_for_other_networks(seen: Seen) -> None:
    assert {SHUT} == seen.reach("guest", "way", 80, "plain")
    assert {OPEN} == seen.reach("guest", "way", 80)
