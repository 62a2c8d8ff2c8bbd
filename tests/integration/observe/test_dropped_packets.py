"""What drops a packet is named with its chain; a rule that would and is never asked is a finding."""

from __future__ import annotations

import subprocess

import pytest
from tests.integration.compose_project import Lab, rule

from cloison.observe import dropped_packets

pytestmark = pytest.mark.engine


def address(lab: Lab, service: str) -> str:
    """Return the address of a service on its network back."""
    words = ("docker", "inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{lab.name}_back").IPAddress}}}}')
    found = subprocess.run([*words, lab.container(service)], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def test_a_rule_that_drops_something_needed_is_named(tiers: Lab) -> None:
    with rule("DOCKER-USER", "-p", "tcp", "--dport", "80", "-d", f"{subnet(tiers)}", "-j", "DROP"):
        proof = tiers.prove()

    assert any("packets of outside to proxy:80 are dropped by the chain DOCKER-USER" in note for note in proof.notes)


def subnet(lab: Lab) -> str:
    """Return the subnet of the network over which proxy is published."""
    words = ("docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", f"{lab.name}_front")
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_rule_that_packets_of_one_bridge_never_reach_is_a_finding(
    tiers: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting is read as 0, and not changed: other tests of this machine need it."""
    monkeypatch.setattr(dropped_packets, "setting", lambda _: "0")
    whole = tiers.prove()
    with rule("FORWARD", "-d", address(tiers, "db"), "-s", address(tiers, "app"), "-j", "DROP"):
        proof = tiers.prove()

    said = [part.evidence for part in proof.findings if part.what == "unreached-rules"]
    ends = f"packets of {tiers.container('app')} to {tiers.container('db')}:3306"
    assert not any(part.what == "unreached-rules" for part in whole.findings)
    assert any(f"FORWARD of the table filter (ip) would drop {ends}" in sentence for sentence in said)
