"""Docker's settings and a person's rules are read from the kernel, for both backends of iptables."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from cloison.engine.docker import firewall
from cloison.linux import iptables_chains, netns

pytestmark = pytest.mark.engine
BACKENDS = ("nft", "legacy")


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """Enter a namespace without rules."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            yield
    finally:
        os.close(descriptor)


def iptables(backend: str, *rules: str, version: str = "") -> None:
    for rule in rules:
        subprocess.run([f"ip{version}tables-{backend}", *rule.split()], check=True)


def test_without_rules_the_defaults_are_read() -> None:
    rules = firewall.read()

    assert (True, True, False) == (rules.has_userland_proxy, rules.guards_addresses, rules.has_ipv6_rules)
    assert [] == [*firewall.unreached_rules()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("destination", "has_proxy"), [("! -d 127.0.0.0/8 ", True), ("", False)])
def test_the_rule_of_output_shows_the_userland_proxy(backend: str, destination: str, has_proxy: bool) -> None:
    iptables(backend, "-t nat -N DOCKER", f"-t nat -A OUTPUT {destination}-m addrtype --dst-type LOCAL -j DOCKER")

    assert has_proxy is firewall.read().has_userland_proxy


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_of_raw_guards_addresses(backend: str) -> None:
    iptables(backend, "-N DOCKER-FORWARD", "-t raw -A PREROUTING -p tcp -j ACCEPT")
    before = firewall.read().guards_addresses
    iptables(backend, "-t raw -A PREROUTING -d 10.0.0.1 ! -i lo -j DROP")

    assert (False, True) == (before, firewall.read().guards_addresses)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_chain_of_ip6tables_shows_rules_for_ipv6(backend: str) -> None:
    iptables(backend, "-N DOCKER", version="6")

    assert firewall.read().has_ipv6_rules


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("target", ["DROP", "REJECT"])
def test_rules_of_a_person_that_no_packet_reaches_are_named(backend: str, target: str) -> None:
    iptables(backend, "-N DOCKER-USER", "-A DOCKER-USER -j RETURN")
    assert [] == [*firewall.unreached_rules()]
    iptables(backend, f"-I DOCKER-USER -s 10.0.0.1 -j {target}")

    unreached = [*firewall.unreached_rules()]
    iptables(backend, "-A FORWARD -j DOCKER-USER")
    bridged = [*firewall.unreached_rules()]

    name = f"DOCKER-USER (iptables-{backend})"
    assert [
        f"the chain {name} has rules that drop packets, and FORWARD does not jump to it: no packet is asked"
    ] == unreached
    assert not any("does not jump" in sentence for sentence in bridged)


@pytest.mark.parametrize(("value", "count"), [("1", 0), ("0", 1), ("", 1)])
def test_rules_that_bridged_packets_do_not_pass_are_named(
    monkeypatch: pytest.MonkeyPatch, value: str, count: int
) -> None:
    monkeypatch.setattr(firewall, "setting", lambda _: value)
    iptables("nft", "-N DOCKER-USER", "-A DOCKER-USER -j DROP", "-A FORWARD -j DOCKER-USER")

    assert count == len([s for s in firewall.unreached_rules() if "net.bridge.bridge-nf-call-iptables is not 1" in s])


def test_rules_that_the_kernel_does_not_show_leave_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(iptables_chains, "read_by_backend", refused)

    assert {} == firewall.read().chains
    assert [] == [*firewall.unreached_rules()]
