"""What is unusual about a project as it runs is named, by root and by the agent alike: one project has it all."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.integration.compose_project import IMAGE, Lab, docker, failures, judgements, service
from tests.integration.remote.ordinary_user import OrdinaryUser

from cloison.linux import netns, pyroute
from cloison.proof.schema import FindingPart, Proof, parse

pytestmark = pytest.mark.engine
OF_THE_PROJECT = {
    "orphan", "paused", "unhealthy", "stale-namespace", "foreign-name", "equal-mac", "egress-network",
    "two-default-routes",
}  # fmt: skip


def document() -> dict[str, Any]:
    unhealthy = {"test": ["CMD", "false"], "interval": "1s", "retries": 1}
    return {
        "services": {
            "app": service(5000, networks=["back", "shared"], healthcheck=unhealthy),
            "db": service(3306, networks=["back", "shared"]),
            "gate": service(80, networks=["front", "vpn"]),
            "torrent": service(9091, network_mode="service:gate"),
            "old": service(80, networks=["front"], ports=["198.19.255.1::80"]),
            "debug": service(80, networks=["front"]) | {"profiles": ["dev"]},
        },
        "networks": {"back": {"internal": True}, "shared": {}, "front": {}, "vpn": {}},
        "x-cloison": {
            "allow": ["gate -> outside via front"],
            "tolerate": [
                *({"network": name, "why": "known"} for name in ("back", "shared", "front", "vpn")),
                {"flow": "app, db -> outside", "why": "known"},
                {"flow": "* -> host", "why": "known"},
            ],
        },
    }


@pytest.fixture
def unusual(lab: Lab) -> Iterator[Lab]:
    """A project in which everything unusual happens at once."""
    lab.write(document())
    lab.compose("--profile", "dev", "up", "--detach")
    other = f"{lab.name}other"
    body = document()
    del body["services"]["old"]
    lab.write(body)
    docker("run", "--detach", "--name", other, "--network", f"{lab.name}_shared", "--network-alias", "db",
           "--label", f"com.docker.compose.project={other}", "--entrypoint", "sleep", IMAGE, "600")  # fmt: skip
    try:
        docker("restart", "--time", "0", lab.container("gate"))
        docker("pause", lab.container("db"))
        _take_mac(lab, "app", "db")
        _leave_over(lab, "gate", "vpn")
        yield lab
    finally:
        # `down` leaves the container of a profile that is not active, and with it the network.
        docker("rm", "--force", other, lab.container("debug"), lab.container("db"))


def _inspected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", name))[0]
    return found


@contextmanager
def _inside(lab: Lab, name: str) -> Iterator[None]:
    found = _inspected(lab.container(name))
    descriptor = netns.of_container(found["State"]["Pid"], found["Id"])
    try:
        with netns.inside(descriptor):
            yield
    finally:
        os.close(descriptor)


def _take_mac(lab: Lab, taker: str, owner: str) -> None:
    """Give a container the hardware address of another one on the network back."""
    held = _inspected(lab.container(owner))["NetworkSettings"]["Networks"][f"{lab.name}_back"]
    own = _inspected(lab.container(taker))["NetworkSettings"]["Networks"][f"{lab.name}_back"]["IPAddress"]
    with _inside(lab, taker), pyroute.iproute() as route:
        (index,) = (message["index"] for message in route.get_addr(address=own))
        route.link("set", index=index, address=held["MacAddress"])


def _leave_over(lab: Lab, name: str, network: str) -> None:
    """Give a container a default route over another network, beside the one that it has."""
    gateway = _inspected(lab.container(name))["NetworkSettings"]["Networks"][f"{lab.name}_{network}"]["Gateway"]
    with _inside(lab, name), pyroute.iproute() as route:
        route.route("replace", dst="0.0.0.0/0", gateway=gateway)


def unusual_findings(proof: Proof) -> dict[str, list[FindingPart]]:
    found: dict[str, list[FindingPart]] = {}
    for part in proof.findings:
        if part.what in OF_THE_PROJECT:
            found.setdefault(part.what, []).append(part)
    return found


def by_agent(lab: Lab, user: OrdinaryUser) -> Proof:
    _, out, err = user.run("prove", *lab.selection.options, "--format", "json", "--timeout", "0.4")
    assert out, err
    return parse(out.encode())


def test_everything_unusual_is_named_by_root_and_by_the_agent(unusual: Lab, user: OrdinaryUser) -> None:
    proof = unusual.prove()
    found, name = unusual_findings(proof), unusual.container

    sentences = {part.where: part.sentence for part in found["orphan"]}
    assert {name("old"), name("debug")} == {*sentences}
    assert "up -d --remove-orphans" in sentences[name("old")]
    assert "add `--profile dev`" in sentences[name("debug")]
    assert {"drift"} == failures(proof)["outside", f"stranger:{name('old')}:80"]
    assert [name("db")] == [part.where for part in found["paused"]]
    assert [name("app")] == [part.where for part in found["unhealthy"]]
    (stale,) = found["stale-namespace"]
    assert (name("torrent"), True) == (stale.where, "is not in the network namespace of gate" in stale.sentence)
    (ambiguous,) = [part for part in found["foreign-name"] if part.where == name("app")]
    assert (
        f"asks for db and gets {unusual.name}/{name('db')} and {unusual.name}other/{unusual.name}other"
        in ambiguous.sentence
    )
    (equal,) = found["equal-mac"]
    assert (name("app"), True) == (equal.where, f"of {name('db')} on {unusual.name}_back" in equal.sentence)
    (leaves,) = [part for part in found["egress-network"] if part.where == name("gate")]
    assert (
        f"leaves over {unusual.name}_vpn (IPv4), by the file and the engine over {unusual.name}_front"
        == leaves.sentence
    )
    assert "breach" == judgements(proof)["gate", "outside:*"]
    assert found == unusual_findings(by_agent(unusual, user))


def test_two_default_routes_are_no_proof(lab: Lab) -> None:
    lab.up({
        "services": {"gate": service(80, networks=["front", "vpn"])},
        "networks": {"front": {}, "vpn": {}},
        "x-cloison": {"allow": ["gate -> outside"], "tolerate": [{"flow": "gate -> host", "why": "known"}]},
    })  # fmt: skip
    before = lab.prove()
    gateway = _inspected(lab.container("gate"))["NetworkSettings"]["Networks"][f"{lab.name}_vpn"]["Gateway"]
    with _inside(lab, "gate"):
        subprocess.run(["ip", "route", "append", "default", "via", gateway], check=True)
    proof = lab.prove()

    assert "egress: gate leaves over front (IPv4)" in before.notes
    assert "holds" == judgements(before)["gate", "outside:*"]
    assert [lab.container("gate")] == [part.where for part in unusual_findings(proof)["two-default-routes"]]
    assert "unknown" == judgements(proof)["gate", "outside:*"]


def test_a_proof_says_with_which_address_clients_arrive(lab: Lab, user: OrdinaryUser) -> None:
    lab.up({"services": {"web": service(80, networks=["front"], ports=["80"])}, "networks": {"front": {}}})
    proof = lab.prove()

    assert "clients of web:80 arrive with their own address" in proof.notes
    assert proof.notes == by_agent(lab, user).notes
