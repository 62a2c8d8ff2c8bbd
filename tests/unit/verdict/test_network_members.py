"""A member of a network that the engine does not know has flows, and a device that the policy tolerates has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.fake_engine import BACK, FRONT, POLICY, STACK, FakeEngine, container, foreign_container, labels

from cloison.model.facts import Container, Origin
from cloison.plan import planner
from cloison.plan.synthetic_facts import Assumptions
from cloison.proof.schema import Proof, Tool, VantagePart, canonical, parse
from cloison.verdict.reasons import ProofInputs, notes

TOLERATED = {"device": "eth1", "why": "the cable"}


def member(name: str, *attached: tuple[str, ...], origin: Origin) -> Container:
    """Return a member of networks that the engine does not know."""
    found = foreign_container(name, *attached)
    return replace(found, pid=0, started="", origin=origin, via="port0", description="known of it")


LXC = STACK.with_containers(member("lxc", (BACK, "172.30.1.66"), origin=Origin.NAMESPACE))
CARD = STACK.with_containers(member("eth1", (BACK, ""), origin=Origin.DEVICE))
BOTH = CARD.with_containers(member("lxc", (BACK, "172.30.1.66"), origin=Origin.NAMESPACE))


def test_a_namespace_has_the_flows_of_a_foreign_container() -> None:
    foreign = STACK.with_containers(foreign_container("lxc", (BACK, "172.30.1.66")))

    assert labels(foreign.flows()) == labels(LXC.flows())


def test_a_device_has_flows_with_the_services_of_its_network() -> None:
    about = [flow for flow in CARD.flows() if "eth1" in (flow.vantage.container, flow.endpoint.container)]

    assert {"db-1", "app-1", "proxy-1", "eth1"} == {flow.vantage.container for flow in about}
    assert {"", "172.30.1.2", "172.30.1.3", "172.30.1.4"} >= {flow.endpoint.address for flow in about}
    assert {BACK} == {flow.endpoint.network for flow in about}


def test_a_device_has_no_flows_with_other_members_and_other_networks() -> None:
    deployment = BOTH.with_service("web", networks={"frontend_net": None}).with_containers(
        container("web", (FRONT, "172.30.2.9"))
    )
    about = [flow for flow in deployment.flows() if "eth1" in (flow.vantage.container, flow.endpoint.container)]

    assert not {"lxc", "web-1", ""} & {name for f in about for name in (f.vantage.container, f.endpoint.container)}


def test_a_tolerated_device_has_no_flows_and_a_note() -> None:
    deployment = CARD.with_policy(tolerate=[*POLICY["tolerate"], TOLERATED])

    assert not [text for text in labels(deployment.flows()) if "eth1" in text]
    assert [f"device eth1 is tolerated on {BACK} (known of it), so what it reaches is not judged: the cable"] == [
        text for text in noted(deployment) if "eth1" in text
    ]


def test_a_toleration_of_a_device_that_is_not_there_is_not_needed() -> None:
    found = noted(STACK.with_policy(tolerate=[*POLICY["tolerate"], TOLERATED]))

    assert "x-cloison.tolerate[3] (device eth1) is not needed: no such device is on a network" in found


def test_a_plan_does_not_know_which_devices_are_there() -> None:
    file = STACK.with_policy(tolerate=[*POLICY["tolerate"], TOLERATED])

    assert not [
        text for text in planner.plan(file.project, Assumptions(), Tool("cloison", "0")).notes if "eth1" in text
    ]


def test_a_member_is_noted_with_what_is_known_of_it() -> None:
    assert f"lxc is on {BACK} and is not in the file (known of it)" in noted(LXC)


def noted(deployment: FakeEngine) -> list[str]:
    """Return the notes of a proof."""
    return notes(ProofInputs(deployment.project, deployment.facts, deployment.rules), deployment.judged())


@pytest.mark.parametrize(("deployment", "origin"), [(LXC, "namespace"), (CARD, "device")])
def test_a_document_tells_the_origin_of_a_member(deployment: FakeEngine, origin: str) -> None:
    proof = deployment.proof()
    (found,) = [part for part in proof.vantages if part.origin]

    assert (origin, "port0") == (found.origin, found.via)
    assert proof == parse(canonical(proof))


def test_a_document_without_members_has_the_bytes_of_the_version_before() -> None:
    assert b"origin" not in canonical(STACK.proof())
    assert VantagePart("app", "app-1", "", "") == _reread(STACK.proof()).vantages[0]


def _reread(proof: Proof) -> Proof:
    return parse(canonical(proof))
