"""The translations of a namespace are read from the kernel, whichever program wrote them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from cloison.linux import netns
from cloison.linux.translation import Translation, Translations
from cloison.observe import translations
from cloison.observe.translations import of_namespace

pytestmark = pytest.mark.engine


@pytest.fixture
def namespace() -> Iterator[int]:
    """Enter a namespace without rules."""
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int) -> Translations:
    return of_namespace(descriptor, "here")


def shown(translation: Translation) -> str:
    """Return a translation as a short text."""
    conditions, target = translation.conditions, translation.target
    address = str(ip_address(target.addresses[0])) if target.addresses else "local" if target.is_local else "kept"
    ports = ",".join(f"{low}-{high}" for low, high in conditions.ports) if conditions.ports else "*"
    to = "" if target.ports is None else f":{target.ports[0]}"
    return f"{ports} to {address}{to}"


NATIVE = """
table inet mine {
    map joined {
        type inet_service : ipv4_addr . inet_service
        elements = { 80 : 10.0.0.1 . 8080, 81 : 10.0.0.2 . 8081 }
    }
    map intervals {
        type inet_service : ipv4_addr
        flags interval
        elements = { 100-200 : 10.0.0.5, 300 : 10.0.0.6 }
    }
    set both {
        type ipv4_addr . inet_service
        flags interval
        elements = { 10.0.0.0/24 . 85-90 }
    }
    chain reached {
        meta l4proto tcp dnat ip to 10.0.0.9:99
    }
    chain pre {
        type nat hook prerouting priority -110
        dnat ip to tcp dport map @joined
        dnat ip to tcp dport map @intervals
        tcp dport vmap { 77 : jump reached, 78-79 : goto reached }
        ip daddr . tcp dport @both dnat ip to 10.0.0.3:1-5
        ip saddr 1.2.3.4 ip daddr 10.0.0.0/25 tcp sport 1000 tcp dport 2000 redirect to :9
        tcp dport != 5 redirect to :7
        tcp dport 5-6 redirect
        tcp dport > 60000 dnat to :8
        meta l4proto { tcp, udp } th dport 53 redirect to :5353
        dnat ip to numgen random mod 2 map { 0 : 10.0.0.10, 1 : 10.0.0.11 }
        dnat ip prefix to ip daddr map { 10.141.11.0/24 : 192.168.2.0/24 }
    }
}
table ip mangled {
    flags dormant
    chain pre {
        type nat hook prerouting priority 0
        tcp dport 4000 dnat to 10.0.0.1
    }
}
table ip proxy {
    chain pre {
        type filter hook prerouting priority 0
        tcp dport 4001 tproxy to :50080
    }
}
"""


def test_native_rules_with_sets_maps_and_jumps_are_read(namespace: int) -> None:
    subprocess.run(["nft", "-f", "-"], input=NATIVE, text=True, check=True)

    found = read(namespace)

    assert [] == found.not_understood
    assert sorted(map(shown, found.found)) == sorted(
        [
            "80-80 to 10.0.0.1:8080",
            "81-81 to 10.0.0.2:8081",
            "100-200 to 10.0.0.5",
            "300-300 to 10.0.0.6",
            "77-77 to 10.0.0.9:99",
            "78-79 to 10.0.0.9:99",
            "85-90 to 10.0.0.3:1",
            "2000-2000 to local:9",
            "* to local:7",
            "5-6 to local",
            "60000-65535 to kept:8",
            "53-53 to local:5353",
            "* to 10.0.0.10",
            "* to 10.0.0.11",
            "* to 192.168.2.0",
            "4001-4001 to local:50080",
        ]
    )


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_rules_of_iptables_are_read_for_both_of_its_backends(namespace: int, backend: str) -> None:
    for version, words in (
        ("", "-A PREROUTING -p tcp -d 10.0.0.1 --dport 13306 -j DNAT --to-destination 10.1.0.2:3306"),
        ("", "-A PREROUTING -p tcp -m multiport --dports 80,90:95 -j REDIRECT --to-ports 8080"),
        ("", "-A OUTPUT -p udp -m udp ! --dport 53 -j DNAT --to-destination 10.1.0.2-10.1.0.9:53-60"),
        ("", "-N mine"),
        ("", "-A PREROUTING -p udp --dport 7:9 -j mine"),
        ("", "-A mine -m iprange --dst-range 10.0.0.1-10.0.0.7 -j DNAT --to-destination 10.1.0.3"),
        ("6", "-A PREROUTING -p tcp --dport 53 -j REDIRECT --to-ports 9"),
        ("6", "-A PREROUTING -p tcp -d fd00::/64 --dport 54 -j DNAT --to-destination [fd00::1]:9"),
    ):
        subprocess.run([f"ip{version}tables-{backend}", "-t", "nat", *words.split()], check=True)

    found = read(namespace)

    assert [] == found.not_understood
    assert sorted(map(shown, found.found)) == sorted(
        [
            "13306-13306 to 10.1.0.2:3306",
            "80-80,90-95 to local:8080",
            "* to 10.1.0.2:53",
            "7-9 to 10.1.0.3",
            "53-53 to local:9",
            "54-54 to fd00::1:9",
        ]
    )


def test_a_namespace_without_rules_has_no_translations(namespace: int) -> None:
    assert Translations() == read(namespace)


def test_an_expression_that_leads_past_the_rules_is_named(namespace: int) -> None:
    rules = """table netdev mine {
        chain in {
            type filter hook ingress device lo priority 0
            fwd to lo
        }
    }
    """
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    chain = "in the namespace of here: the chain in of the table mine (netdev)"
    assert read(namespace).not_understood == [
        f"{chain} has the expression fwd, which may redirect packets and is not understood"
    ]


def test_virtual_services_of_ipvs_are_named(namespace: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "ip_vs"
    monkeypatch.setattr(translations, "IPVS", table)
    table.write_text("IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n")
    assert Translations() == read(namespace)

    table.write_text(f"{table.read_text()}  -> RemoteAddress:Port Forward\nTCP  0A000001:0050 rr\n")

    assert ["in the namespace of here: IPVS has virtual services, whose targets are not read"] == read(
        namespace
    ).not_understood


def test_a_rule_that_cannot_be_decoded_is_named(namespace: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Translations:
        raise KeyError("no such attribute")

    monkeypatch.setattr("cloison.linux.legacy_iptables.translations", broken)

    assert read(namespace).not_understood == [
        "in the namespace of here: the packet filter has a rule that cannot be decoded: KeyError('no such attribute')"
    ]


def test_a_translation_that_is_not_the_first_try_is_read(namespace: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter([BlockingIOError(11, "Resource temporarily unavailable"), None])

    def busy() -> Translations:
        if error := next(tries):
            raise error
        return Translations()

    monkeypatch.setattr("cloison.linux.legacy_iptables.translations", busy)

    assert Translations() == read(namespace)


def test_rules_that_the_kernel_does_not_show_are_named(namespace: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Translations:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("cloison.linux.legacy_iptables.translations", refused)

    assert read(namespace).not_understood == [
        "in the namespace of here: the packet filter cannot be read: Operation not permitted"
    ]
