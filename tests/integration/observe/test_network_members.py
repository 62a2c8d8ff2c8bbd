"""A proof knows what is attached to a network of the project by the kernel, whether the engine attached it or not."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.integration.compose_project import IMAGE, POLICY, Lab, docker
from tests.integration.observe.hand_made_members import DEVICE, NETNS, namespace, network, veth
from tests.integration.observe.host_changes import done, run
from tests.integration.observe.test_fault_injection import said, sentences

from cloison.engine.labels import AGENT_LABEL, AGENT_NAME, REHEARSAL_LABEL
from cloison.linux import processes
from cloison.verdict.judge import Judgement
from cloison_view.advice import proof_advice

pytestmark = pytest.mark.engine
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
"""Constants of linux/if_tun.h."""


@pytest.mark.parametrize("is_up", [True, False], ids=["with loopback", "without loopback"])
def test_a_namespace_that_is_no_container_is_a_vantage(tiers: Lab, is_up: bool) -> None:
    with namespace(*veth(*network(tiers)), is_up=is_up):
        proof = tiers.prove()

    assert "breached" == proof.verdict.word
    assert {"drift"} == said(proof)["stranger -> db:3306"] == said(proof)["stranger -> app:5000"]
    assert f"netns-{NETNS} is on {tiers.name}_back and is not in the file (network namespace" in sentences(proof)
    assert "proven" == tiers.prove().verdict.word


def test_the_advice_about_a_member_removes_it(tiers: Lab) -> None:
    bridge, address = network(tiers)
    with namespace(*veth(bridge, address)):
        proof = tiers.prove()
        breach = next(i for i, flow in enumerate(proof.flows) if flow.judgement is Judgement.BREACH)
        advice = proof_advice(proof)(breach)
        for command in advice.commands:
            run(*command.split())

        assert "proven" == tiers.prove().verdict.word

    assert (f"ip link set dev {DEVICE} nomaster",) == advice.commands


def test_a_macvlan_in_another_namespace_is_a_vantage(tiers: Lab) -> None:
    """The bridge has no port for a macvlan: only the other namespace shows it."""
    bridge, address = network(tiers)
    with namespace(
        f"link add link {bridge} name {DEVICE} netns {NETNS} type macvlan mode bridge",
        f"-n {NETNS} link set {DEVICE} up",
        f"-n {NETNS} addr add {address} dev {DEVICE}",
    ):
        proof = tiers.prove()

    assert "breached" == proof.verdict.word
    assert {"drift"} == said(proof)["stranger -> db:3306"]


def test_a_namespace_without_an_address_is_unknown(tiers: Lab) -> None:
    bridge, _ = network(tiers)
    with namespace(*veth(bridge, "")):
        proof = tiers.prove()

    assert "unproven" == proof.verdict.word
    assert {"unknown"} == said(proof)["stranger -> db:3306"]
    assert f"the interface eth0 of netns-{NETNS}, without an address of the network" in sentences(proof)


DEVICES = {
    "a tunnel": (f"link add {DEVICE} type vxlan id 77 remote 192.0.2.7 dstport 4789", "a port of the kind vxlan"),
    "a tap": (f"tuntap add dev {DEVICE} mode tap", "a tap interface, held by no process"),
}


@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_that_leads_off_the_machine_is_unknown_until_it_is_tolerated(tiers: Lab, kind: str) -> None:
    made, phrase = DEVICES[kind]
    bridge, _ = network(tiers)
    with done(("ip", *made.split()), ("ip", "link", "del", DEVICE)):
        run("ip", "link", "set", DEVICE, "master", bridge, "up")
        proof = tiers.prove()
        tolerance = {"device": DEVICE, "why": "the site-to-site link"}
        with changed_policy(tiers, tolerate=[*POLICY["tolerate"], tolerance]):
            tolerated = tiers.prove()

    assert ("unproven", {"unknown"}) == (proof.verdict.word, said(proof)["stranger -> db:3306"])
    assert {"holds"} == said(proof)["proxy -> app:5000"]
    assert f"{DEVICE} is on the network: {phrase}" in sentences(proof)
    assert "proven" == tolerated.verdict.word
    assert f"device {DEVICE} is tolerated on {tiers.name}_back ({phrase})" in sentences(tolerated)


def test_a_tap_names_the_process_that_holds_it(tiers: Lab) -> None:
    bridge, _ = network(tiers)
    with open_tap(DEVICE):
        run("ip", "link", "set", DEVICE, "master", bridge, "up")
        proof = tiers.prove()

    assert f"a tap interface, held by {processes.name(os.getpid())} (PID {os.getpid()})" in sentences(proof)


def test_a_bridge_that_is_joined_by_a_veth_pair_is_unknown(tiers: Lab) -> None:
    bridge, _ = network(tiers)
    with ExitStack() as stack:
        other = (("ip", "link", "add", "cloisonother", "type", "bridge"), ("ip", "link", "del", "cloisonother"))
        stack.enter_context(done(*other))
        pair = ("ip", "link", "add", DEVICE, "type", "veth", "peer", "name", "cloisonfar")
        stack.enter_context(done(pair, ("ip", "link", "del", DEVICE)))
        run("ip", "link", "set", DEVICE, "master", bridge, "up")
        run("ip", "link", "set", "cloisonfar", "master", "cloisonother", "up")
        proof = tiers.prove()

    assert ("unproven", {"unknown"}) == (proof.verdict.word, said(proof)["stranger -> db:3306"])
    assert "cloisonfar is on the network: a device that joins it to cloisonother" in sentences(proof)


@pytest.mark.parametrize("label", [AGENT_LABEL, REHEARSAL_LABEL, "io.cloison.scout"])
def test_a_label_hides_no_container(tiers: Lab, label: str) -> None:
    name = f"{AGENT_NAME}{tiers.name}"
    where = ("--network", f"{tiers.name}_back", "--label", f"{label}={tiers.name}")
    docker("run", "--detach", "--name", name, *where, "--entrypoint", "sleep", IMAGE, "600")
    try:
        proof = tiers.prove()
        assert name in docker("ps", "--format", "{{.Names}}").split()
    finally:
        docker("rm", "--force", name)

    assert ("breached", {"drift"}) == (proof.verdict.word, said(proof)["stranger -> db:3306"])


@contextmanager
def open_tap(name: str) -> Iterator[None]:
    """Hold a tap interface, as a virtual machine does; the kernel removes it at the end."""
    ifreq = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, ifreq)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def changed_policy(lab: Lab, **parts: Any) -> Iterator[None]:
    """Have another policy in the file."""
    document = lab.document
    try:
        lab.write(document | {"x-cloison": POLICY | parts})
        yield
    finally:
        lab.write(document)
