"""The kernel's own rules are evaluated for a packet: only a chain that drops it for certain is named."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloison.linux import netns, nftables
from cloison.linux.packet_verdict import Packet, dropping_chain

pytestmark = pytest.mark.engine
PACKET = Packet(4, socket.IPPROTO_TCP, "198.18.0.2", "198.18.0.3", 3306, "br-a", "br-b")
IPV6 = replace(PACKET, version=6, source="fd00::2", destination="fd00::3")
USER = "DOCKER-USER of the table filter (ip)"


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    """Enter a namespace without rules, and with Docker's first ones."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            for rule in (
                "-N DOCKER-USER",
                "-A FORWARD -j DOCKER-USER",
                "-A FORWARD -o br-b -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "-A FORWARD -i br-a -o br-b -j ACCEPT",
            ):
                subprocess.run(["iptables-nft", *rule.split()], check=True)
            yield
    finally:
        os.close(descriptor)


def dropping(packet: Packet = PACKET) -> str:
    return dropping_chain(nftables.read(), packet)


def test_without_a_drop_no_chain_is_named() -> None:
    assert "" == dropping()


@pytest.mark.parametrize(
    "rule",
    [
        "-d 198.18.0.3 -j DROP",
        "-s 198.18.0.0/16 -d 198.18.0.0/15 -j DROP",
        "-s 198.18.0.0/29 -j DROP",
        "-i br-a ! -o br-a -j DROP",
        "-i br-+ -p tcp -j REJECT --reject-with tcp-reset",
        "-p tcp --dport 3306 -j DROP",
        "-p tcp -m tcp --dport 3000:4000 -m comment --comment why -j DROP",
        "-m conntrack --ctstate NEW -j DROP",
        "-m conntrack ! --ctstate ESTABLISHED -j REJECT",
        "! -d 198.18.0.9 -j DROP",
    ],
)
def test_a_rule_of_iptables_that_drops_is_named(rule: str) -> None:
    subprocess.run(["iptables-nft", "-A", "DOCKER-USER", *rule.split()], check=True)

    assert USER == dropping()


@pytest.mark.parametrize(
    "rule",
    [
        "-d 198.18.0.4 -j DROP",
        "-s 198.19.0.0/16 -j DROP",
        "-i br-b -j DROP",
        "-p udp -j DROP",
        "-p tcp --dport 80 -j DROP",
        "-p tcp --syn -j DROP",
        "-m conntrack --ctstate ESTABLISHED -j DROP",
        "-m addrtype --dst-type LOCAL -j DROP",
        "-m limit --limit 1/min -j DROP",
        "-j RETURN",
        "-j LOG",
    ],
)
def test_a_rule_that_does_not_match_or_may_not_is_not_named(rule: str) -> None:
    subprocess.run(["iptables-nft", "-A", "DOCKER-USER", *rule.split()], check=True)

    assert "" == dropping()


NATIVE = {
    "a set": "tcp dport { 80, 3306 } drop",
    "an interval": "tcp dport 3000-4000 drop",
    "a set of intervals": "ip saddr { 198.18.0.0/16 } drop",
    "not a set": "tcp dport != { 80, 443 } drop",
    "a verdict map": "tcp dport vmap { 80 : accept, 3306 : drop }",
    "a concatenation": "ip daddr . tcp dport { 198.18.0.3 . 3306 } drop",
    "a state": "ct state new drop",
    "a map of states": "ct state vmap { established : accept, new : jump no }",
    "a counter and a log": "counter log drop",
    "a goto": "goto no",
    "not the interface": 'iifname != "lo" drop',
    "less than": "tcp dport < 4000 drop",
}


def native(rule: str) -> None:
    text = (
        f"table inet own {{ chain no {{ drop; }}; chain hooked {{ type filter hook forward priority 10; {rule}; }}; }}"
    )
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


@pytest.mark.parametrize("rule", NATIVE.values(), ids=NATIVE)
def test_a_rule_of_nftables_that_drops_is_named(rule: str) -> None:
    native(rule)

    assert dropping().endswith("of the table own (inet)")


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport { 80, 443 } drop",
        "tcp dport vmap { 80 : drop }",
        "ip daddr 198.18.0.9 drop",
        "ct state established drop",
        "limit rate 1/second drop",
        "tcp dport 3306 accept; drop",
        "tcp dport 3306 return; drop",
        "meta mark 1 drop",
        "udp dport 3306 drop",
        "ip6 daddr fd00::3 drop",
        "tcp sport 3306 drop",
        "tcp dport > 4000 drop",
        "tcp dport 80-443 drop",
    ],
)
def test_a_rule_of_nftables_that_does_not_drop_for_certain_is_not_named(rule: str) -> None:
    native(rule)

    assert "" == dropping()


def test_a_packet_of_ipv6_is_evaluated_by_its_own_rules() -> None:
    native("ip6 saddr fd00::/64 ip6 daddr fd00::3 tcp dport 3306 drop")
    subprocess.run(["iptables-nft", "-A", "DOCKER-USER", "-j", "DROP"], check=True)

    assert ("hooked of the table own (inet)", USER) == (dropping(IPV6), dropping())
