"""Known isolation bypasses that the Compose file does not show, on idle containers of this machine's engine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from tests.integration.audit.conftest import IdleProject
from tests.integration.compose_project import docker, rule

from cloison.linux import netns
from cloison.model.facts import EngineFacts
from cloison.model.outcome import Reach
from cloison.proof.schema import Proof

pytestmark = pytest.mark.engine
OPEN, SHUT = Reach.OPEN, Reach.SHUT
LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp; a half-open connection would be TCP_SYN_RECV, 03 (net/tcp_states.h)."""
METADATA = "169.254.169.254"
FRONT, BACK = {"networks": ["front"]}, {"networks": ["back"]}
NETWORKS: dict[str, dict[str, Any]] = {"front": {}, "back": {"internal": True}}
CLOSED = {"allow": ["host -> *"]}
"""The policy allows flows from the host only."""


def reach(proof: Proof, source: str, target: str, port: int = 0) -> set[Reach]:
    """Return the observed reach between two places over IPv4."""
    ends = proof.endpoints
    return {
        flow.observed
        for flow in proof.flows
        for end in (ends[flow.endpoint],)
        if (proof.vantages[flow.vantage].place, end.place, end.service_port) == (source, target, port)
        and ":" not in end.address
    }


def causes(proof: Proof, source: str, target: str) -> set[str]:
    """Return the causes of the breaches between two places."""
    places = ((proof.vantages[f.vantage].place, proof.endpoints[f.endpoint].place, f.cause) for f in proof.flows)
    return {str(cause) for one, other, cause in places if cause and (one, other) == (source, target)}


@contextmanager
def inside(idle_project: IdleProject, service: str) -> Iterator[None]:
    """Enter the network namespace of a container."""
    there = netns.of_process(int(docker("inspect", "-f", "{{.State.Pid}}", idle_project.container(service))))
    try:
        with netns.inside(there):
            yield
    finally:
        os.close(there)


def test_a_rule_in_input_does_not_filter_a_published_port(idle_project: IdleProject, image: str) -> None:
    """A rule of ufw is in INPUT, which forwarded packets do not pass."""
    idle_project.start(image, {"web": FRONT | {"ports": ["0.0.0.0::80"]}}, networks=NETWORKS)
    port = docker("port", idle_project.container("web"), "80/tcp").rpartition(":")[2]

    with rule("INPUT", "-p", "tcp", "--dport", port, "-j", "DROP"):
        assert {OPEN} == reach(idle_project.prove(), "outside", "web", 80)


def test_a_rule_for_a_former_address_of_a_container_filters_nothing(idle_project: IdleProject, image: str) -> None:
    document = {"web": FRONT | {"ports": ["0.0.0.0::80"]}}
    idle_project.start(image, document, networks=NETWORKS, **{"x-cloison": CLOSED})
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    before = docker("inspect", "-f", address, idle_project.container("web"))

    with rule("DOCKER-USER", "-d", before, "-j", "DROP"):
        guarded = idle_project.prove()
        docker("rm", "-f", idle_project.container("web"))
        docker("run", "-d", "--name", f"{idle_project.name}-came", "--network", f"{idle_project.name}_front", image)
        try:
            idle_project.compose("up", "--detach")
            assert before != docker("inspect", "-f", address, idle_project.container("web"))
            again = idle_project.prove()
        finally:
            docker("rm", "-f", f"{idle_project.name}-came")

    assert ({SHUT}, {OPEN}) == (reach(guarded, "outside", "web", 80), reach(again, "outside", "web", 80))
    assert (set(), {"file"}) == (causes(guarded, "outside", "web"), causes(again, "outside", "web"))


def test_a_network_that_was_not_made_internal_is_drift(idle_project: IdleProject, image: str) -> None:
    """Another program may make a file's networks, and forget the option."""
    document = {"services": {"db": BACK | {"image": image}}, "networks": NETWORKS, "x-cloison": CLOSED}
    idle_project.write(document | {"networks": {"back": {}}})
    idle_project.compose("up", "--detach")
    idle_project.write(document)

    proof = idle_project.prove()

    assert {OPEN} == reach(proof, "db", "outside")
    assert {"drift"} == causes(proof, "db", "outside")


def test_a_port_that_is_not_exposed_is_open(idle_project: IdleProject, image: str) -> None:
    services = {"db": BACK | {"expose": ["5432"]}, "app": BACK}
    idle_project.start(image, services, networks=NETWORKS)
    with inside(idle_project, "db"):
        hidden = socket.create_server(("", 0))

    with hidden:
        port = hidden.getsockname()[1]
        proof = idle_project.prove()

    assert {OPEN} == reach(proof, "app", "db", port)


def test_a_loopback_exposure_check_leaves_no_half_open_connection(idle_project: IdleProject, image: str) -> None:
    idle_project.start(image, {"web": FRONT | {"ports": ["127.0.0.1::80"]}}, networks=NETWORKS)
    with inside(idle_project, "web"):
        listening = socket.create_server(("", 80))

    with listening:
        listening.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        proof = idle_project.prove()
        pid = docker("inspect", "-f", "{{.State.Pid}}", idle_project.container("web"))
        states = {line.split()[3] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]}
        with pytest.raises(BlockingIOError):
            listening.accept()

    got_in = [finding.where for finding in proof.findings if finding.what == "loopback-published"]
    is_open = EngineFacts("docker", proof.engine.version).release < (28, 0)
    assert ([idle_project.container("web")] if is_open else []) == got_in
    assert {LISTEN} == states


def test_the_metadata_address_has_the_same_route_as_the_external_host(idle_project: IdleProject, image: str) -> None:
    """A cloud answers at a link-local address; a container's kernel sends there as it sends to the outside."""
    idle_project.start(image, {"app": FRONT, "db": BACK}, networks=NETWORKS)
    proof = idle_project.prove()
    outside = next(end.address for end in proof.endpoints if end.place == "outside" and ":" not in end.address)

    ways = {}
    for service in ("app", "db"):
        with inside(idle_project, service):
            ways[service] = _way(METADATA), _way(outside)

    assert ({OPEN}, {SHUT}) == (reach(proof, "app", "outside"), reach(proof, "db", "outside"))
    assert all(one == other for one, other in ways.values())
    assert ways["app"][0] is not None


def _way(address: str) -> tuple[str, int] | None:
    """Return the gateway and the interface of the route to an address in this thread's namespace."""
    with IPRoute() as route:
        try:
            (found,) = route.route("get", dst=address)
        except NetlinkError:  # no route: it goes nowhere
            return None
        return found.get("gateway"), found.get("oif")
