"""A proof ends: by its deadline, with firewall rules that change meanwhile, and with an audit that fails."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.integration.compose_project import Lab, docker, rule
from tests.integration.prober_faults import run_at

from cloison.audit import container_inspect
from cloison.linux import netns
from cloison.model.outcome import Reach
from cloison.proof.schema import Proof
from cloison.workflow.prove import prove
from cloison.workflow.request import Request

pytestmark = pytest.mark.engine
TIMEOUT = 0.1
ADDED = ("FORWARD", "-m", "comment", "--comment", "cloison-p4-test", "-j", "RETURN")
FLOOD = (
    "import socket, struct, time\n"
    "raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)\n"
    "quoted = struct.pack('!BBHHHBBH4s4sHHI', 0x45, 0, 40, 0, 0, 64, 6, 0, bytes(4), bytes(4), 9, 80, 1)\n"
    "body = struct.pack('!BBHI', 3, 3, 0, 0) + quoted\n"
    "words = sum(struct.unpack('!%dH' % (len(body) // 2), body)) % 0xFFFF\n"
    "body = struct.pack('!BBHI', 3, 3, ~words & 0xFFFF, 0) + quoted\n"
    "while True:\n"
    "    for target in {targets!r}: raw.sendto(body, (target, 0))\n"
    "    time.sleep(0.001)\n"
)


def reasons(proof: Proof) -> set[str]:
    """Return the reasons of all unknown flows."""
    return {flow.reason for flow in proof.flows if flow.observed is Reach.UNKNOWN}


def test_the_deadline_is_in_the_document_and_ends_the_proof(tiers: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run_at(monkeypatch, "between the rounds", lambda: time.sleep(4))

    proof = prove(Request(tiers.selection, TIMEOUT, 3))

    assert (3, 3000) == (proof.verdict.exit_code, proof.deadline_ms)
    assert proof.duration_ms < 20_000
    assert any("the proof's deadline of 3 s passed" in reason for reason in reasons(proof))


def test_an_ordinary_proof_has_a_deadline_and_keeps_it(tiers: Lab) -> None:
    proof = tiers.prove(TIMEOUT)

    assert (0, True) == (proof.verdict.exit_code, proof.duration_ms < proof.deadline_ms)
    assert proof.deadline_ms >= 30_000


def test_a_rule_of_the_host_that_changes_meanwhile_makes_every_flow_unknown(
    tiers: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = rule(*ADDED)
    run_at(monkeypatch, "between the rounds", added.__enter__)
    try:
        proof = tiers.prove(TIMEOUT)
    finally:
        added.__exit__(None, None, None)

    assert 3 == proof.verdict.exit_code
    assert proof.coverage.unknown == proof.coverage.flows
    assert any("host: firewall rules changed during the proof" in reason for reason in reasons(proof))


def test_a_rule_in_a_container_makes_its_own_flows_unknown(tiers: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = netns.of_process(int(docker("inspect", "-f", "{{.State.Pid}}", tiers.container("app"))))

    def change(action: str) -> None:
        with netns.inside(descriptor):
            subprocess.run(["iptables", "--wait", action, "INPUT", "-s", "192.0.2.1", "-j", "ACCEPT"], check=True)

    run_at(monkeypatch, "between the rounds", lambda: change("-A"))
    try:
        proof = tiers.prove(TIMEOUT)
    finally:
        change("-D")

    named = f"{tiers.container('app')}: firewall rules changed during the proof"
    assert {True} == {named in reason for reason in reasons(proof)}
    assert 0 < proof.coverage.unknown < proof.coverage.flows


def test_rules_of_other_networks_change_nothing(tiers: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{tiers.name}-other"
    run_at(monkeypatch, "between the rounds", lambda: docker("network", "create", name))
    try:
        proof = tiers.prove(TIMEOUT)
    finally:
        docker("network", "rm", name)

    assert (0, set()) == (proof.verdict.exit_code, reasons(proof))


def test_an_audit_that_fails_is_a_finding(tiers: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise KeyError("Groups")

    monkeypatch.setattr(container_inspect, "read", fail)
    proof = tiers.prove(TIMEOUT)

    assert 0 == proof.verdict.exit_code
    assert [("unchecked", "the containers' privileges", "KeyError: 'Groups'")] == [
        (finding.what, finding.where, finding.evidence) for finding in proof.findings if finding.what == "unchecked"
    ]


@contextmanager
def flooding(container: str, code: str) -> Iterator[None]:
    """Run a Python program as root in a container until the end of this context."""
    words = ["docker", "exec", "-u", "0", container, "timeout", "60", "python", "-c", code]
    with subprocess.Popen(words) as sender:
        time.sleep(1)
        try:
            yield
            assert sender.poll() is None, "the flood has ended before the proof"
        finally:
            docker("exec", "-u", "0", container, "python", "-c", END)
            sender.wait(70)


END = (
    "import os, signal, pathlib\n"
    "for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
    "    words = path.read_bytes()\n"
    "    if b'SOCK_RAW' in words and b'python' in words and int(path.parent.name) != os.getpid():\n"
    "        os.kill(int(path.parent.name), signal.SIGKILL)\n"
)


def test_a_container_that_floods_its_neighbors_prolongs_no_proof(tiers: Lab) -> None:
    quiet = tiers.prove(TIMEOUT)
    network = f'{{{{(index .NetworkSettings.Networks "{tiers.name}_back").IPAddress}}}}'
    targets = [docker("inspect", "-f", network, tiers.container(name)) for name in ("db", "proxy", "app")]

    with flooding(tiers.container("app"), FLOOD.format(targets=targets)):
        proof = tiers.prove(TIMEOUT)

    assert (0, quiet.coverage.flows) == (proof.verdict.exit_code, proof.coverage.flows)
    assert proof.duration_ms < quiet.duration_ms + 5000
