"""A flow that could not be probed is unknown."""

from __future__ import annotations

import socket
import subprocess

import pytest
from tests.integration.compose_project import POLICY, Lab, docker, failures, rule, service, three_tiers

from cloison.errors import NotProven
from cloison.verdict.judge import Judgement

pytestmark = pytest.mark.engine


def test_a_stopped_container_is_unknown(lab: Lab) -> None:
    lab.up(three_tiers())
    lab.compose("stop", "--timeout", "0", "app")

    proof = lab.prove()

    assert (proof.verdict.word, proof.verdict.exit_code) == ("unproven", 3)
    assert proof.coverage.absent == ["app"]
    assert {"unknown"} == failures(proof)["proxy", "app:5000"] == failures(proof)["outside", "app:*"]


def test_a_missing_replica_is_unknown(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["app"]["deploy"] = {"replicas": 2}
    lab.up(document)
    docker("kill", f"{lab.name}-app-2")

    assert lab.prove().verdict.exit_code == 3


def test_a_paused_container_is_proven_like_any_other(lab: Lab) -> None:
    """The kernel answers for a paused process, and isolation does not depend on the process."""
    lab.up(three_tiers())
    docker("pause", lab.container("db"))
    try:
        proof = lab.prove()
    finally:
        docker("unpause", lab.container("db"))

    assert proof.verdict.word == "proven"


def test_if_an_unused_address_answers_nothing_is_proven(lab: Lab) -> None:
    lab.up(three_tiers())
    subnet = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", f"{lab.name}_front")

    with socket.create_server(("0.0.0.0", 0)) as answering:
        port = str(answering.getsockname()[1])
        with rule("-t", "nat", "PREROUTING", "-s", subnet, "-p", "tcp", "-j", "REDIRECT", "--to-ports", port):
            proof = lab.prove()

    failed = [vantage.place for vantage in proof.vantages if vantage.negative_control]
    assert (failed, proof.verdict.exit_code) == (["proxy"], 3)
    assert {"unknown"} == failures(proof)["proxy", "outside:*"]


def test_listeners_in_the_hosts_namespace_have_their_owner(lab: Lab) -> None:
    document = three_tiers()
    document["services"]["node"] = service(47001, address="127.0.0.1", network_mode="host")
    document["x-cloison"] = POLICY | {"allow": [*POLICY["allow"], "node -> *", "node -> host", "node -> outside"]}
    lab.up(document)

    proof = lab.prove()

    assert (0, 0, {}) == (proof.verdict.exit_code, proof.totals["drift"], failures(proof))
    assert [] == proof.coverage.skipped


def test_egress_that_bypasses_the_host_is_unknown(lab: Lab) -> None:
    """A tunnel in the container: the external host does not receive its packets."""
    lab.up(three_tiers())
    inside = ("nsenter", "-t", docker("inspect", "-f", "{{.State.Pid}}", lab.container("db")), "-n", "ip")
    subprocess.run([*inside, "link", "add", "tunnel", "type", "veth", "peer", "name", "far"], check=True)
    subprocess.run([*inside, "addr", "add", "198.18.254.1/30", "dev", "tunnel"], check=True)
    subprocess.run([*inside, "link", "set", "tunnel", "up"], check=True)
    subprocess.run([*inside, "link", "set", "far", "up"], check=True)
    subprocess.run([*inside, "route", "replace", "default", "via", "198.18.254.2"], check=True)

    proof = lab.prove()

    assert (3, {"unknown"}) == (proof.verdict.exit_code, failures(proof)["db", "outside:*"])
    assert any("does not pass through this host" in flow.reason for flow in proof.flows)


def test_a_network_that_bypasses_the_host_is_unknown(lab: Lab) -> None:
    subprocess.run(["ip", "link", "add", "cloisonlan", "type", "veth", "peer", "name", "cloisonfar"], check=True)
    try:
        document = three_tiers()
        document["networks"]["lan"] = {"driver": "macvlan", "driver_opts": {"parent": "cloisonlan"}}
        document["services"]["db"]["networks"] = ["back", "lan"]
        lab.up(document)
        proof = lab.prove()
        lab.compose("down", "--timeout", "0")
    finally:
        subprocess.run(["ip", "link", "del", "cloisonlan"], check=True)

    assert (3, {"unknown"}) == (proof.verdict.exit_code, failures(proof)["outside", "db:3306"])
    assert failures(proof)["db", "outside:*"] == {"unknown"}


def test_a_project_that_does_not_run_is_not_proven(lab: Lab) -> None:
    lab.write(three_tiers())

    with pytest.raises(NotProven, match=r"no container of project .* is running"):
        lab.prove()


def test_an_engine_that_does_not_answer_proves_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(three_tiers())
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    with pytest.raises(NotProven, match="no Docker engine answers at unix:///nowhere"):
        lab.prove()


def test_a_remote_engine_that_does_not_answer_proves_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(three_tiers())
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    with pytest.raises(NotProven, match="no Docker engine answers"):
        lab.prove()


def test_no_flow_of_a_missing_service_is_said_to_hold(lab: Lab) -> None:
    lab.up(three_tiers())
    subprocess.run(["docker", "rm", "-f", lab.container("db")], check=True, capture_output=True)

    proof = lab.prove()

    about = [f for f in proof.flows if "db" in (proof.vantages[f.vantage].place, proof.endpoints[f.endpoint].place)]
    assert about
    assert {Judgement.UNKNOWN} == {flow.judgement for flow in about}
