"""The text of the tables. That the kernel does what it says is shown on real packets in tests/integration/enforce."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.unit.enforce.sample_layouts import layout, opened

from cloison.enforce.features import Features
from cloison.enforce.nft_table import MAX_COMMENT
from cloison.enforce.ruleset import remove, ruleset
from cloison.usage.counters import FORMS

STATELESS = Features(bridge_family=True, bridge_conntrack=False, bridge_name=False, bridge_filtering=True)
FULL = Features(bridge_family=True, bridge_conntrack=True, bridge_name=True, bridge_filtering=True)
FILTERING = Features(bridge_family=False, bridge_conntrack=False, bridge_name=False, bridge_filtering=True)
NOTHING = Features(bridge_family=False, bridge_conntrack=False, bridge_name=False, bridge_filtering=False)


def text(*allow: str, features: Features = STATELESS) -> str:
    """Return the tables of a policy."""
    return ruleset(layout(), opened(allow=list(allow)), features)


def elements(found: str, family: str, name: str) -> list[str]:
    """Return the elements of a set."""
    table = found[found.index(f"table {family} cloison_shop {{") :]
    body = re.search(rf"  set {name} {{\n(.*?)\n  }}\n", table, re.DOTALL)
    assert body, name
    return [line.strip().rstrip(",") for line in body[1].splitlines()[2:-1]]


def test_a_transaction_replaces_the_tables() -> None:
    assert text().startswith(remove("shop"))
    assert 1 == text().count("table bridge cloison_shop {")
    assert 1 == text().count("table inet cloison_shop {")


def test_an_opening_inside_a_bridge_stands_in_both_tables_with_its_reason() -> None:
    found = text("app -> db:3306")
    reason = 'comment "x-cloison.allow[0]: app -> db:3306"'

    assert [f'"vapp1b" . "vdb1b" . 172.30.1.2 . tcp . 3306 {reason}'] == elements(found, "bridge", "allow4")
    assert [f'"vdb1b" . "vapp1b" . 172.30.1.2 . tcp . 3306 {reason}'] == elements(found, "bridge", "reply4")
    assert [f'"br-back" . 172.30.1.3 . 172.30.1.2 . tcp . 3306 {reason}'] == elements(found, "inet", "allow4")
    assert 2 == len(elements(found, "bridge", "known"))


def test_an_address_of_ipv6_is_in_the_sets_of_ipv6() -> None:
    found = text("db -> app:5000", "db -> app")

    assert any("fd00:1::3 . tcp . 5000" in element for element in elements(found, "bridge", "allow6"))
    assert any("fd00:1::3" in element for element in elements(found, "bridge", "whole6"))
    assert [] == elements(found, "inet", "allow6"), "db has no address of IPv6 to begin from"


@pytest.mark.parametrize(
    ("rule", "name", "element"),
    [
        ("app -> db", "whole4", '"br-back" . 172.30.1.3 . 172.30.1.2'),
        ("outside -> proxy:80", "inbound4", "172.30.2.4 . tcp . 80"),
        ("outside -> proxy", "inbound_whole4", "172.30.2.4"),
        ("proxy -> outside", "outbound4", '"br-front" . 172.30.2.4'),
        ("app -> host:53/udp", "to_host4", '"br-back" . 172.30.1.3 . udp . 53'),
        ("app -> host", "to_host_whole4", '"br-back" . 172.30.1.3'),
        ("host -> db:3306", "from_host4", "172.30.1.2 . tcp . 3306"),
        ("host -> db", "from_host_whole4", "172.30.1.2"),
    ],
)
def test_a_rule_about_another_end_is_an_element_of_its_set(rule: str, name: str, element: str) -> None:
    assert any(found.startswith(f"{element} comment") for found in elements(text(rule), "inet", name))


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (
            "app -> db:80-90",
            [
                'iifname "vapp1b" oifname "vdb1b" ip daddr 172.30.1.2 tcp dport 80-90',
                'iifname "vdb1b" oifname "vapp1b" ip saddr 172.30.1.2 tcp sport 80-90 tcp flags & (syn | ack) != syn',
                'iifname "br-back" ip saddr 172.30.1.3 ip daddr 172.30.1.2 tcp dport 80-90',
            ],
        ),
        ("app -> db:80-90/udp", ['iifname "vdb1b" oifname "vapp1b" ip saddr 172.30.1.2 udp sport 80-90 counter']),
        (
            "outside -> proxy:80-90",
            ["iifname != @bridges ip daddr 172.30.2.4 tcp dport 80-90", "    ip daddr 172.30.2.4 tcp dport 80-90"],
        ),
        ("app -> host:80-90", ['iifname "br-back" ip saddr 172.30.1.3 tcp dport 80-90']),
        ("host -> db:80-90", ["    ip daddr 172.30.1.2 tcp dport 80-90"]),
    ],
)
def test_a_range_of_ports_is_a_rule(rule: str, lines: list[str]) -> None:
    found = text(rule)

    assert all(line in found for line in lines)


def test_everything_is_dropped_by_place_whoever_is_known() -> None:
    found = text()

    for rule in ("iifname @ports counter drop", "oifname @ports counter drop", "ip saddr @nets4 counter drop"):
        assert f"    {rule}\n" in found
    assert [
        '"br-back" comment "network shop_backend_net"',
        '"br-front" comment "network shop_frontend_net"',
    ] == elements(found, "inet", "bridges")
    assert 3 == len(re.findall(r"    counter drop\n  }", found)), "each chain of the table inet ends with a drop"


def test_connection_tracking_and_the_name_of_a_bridge_are_used_where_the_kernel_has_them() -> None:
    stateless, full = text("app -> db:3306"), text("app -> db:3306", "app -> db:1-9", "app -> db", features=FULL)

    assert "tcp flags" in stateless
    assert "meta ibrname" not in stateless
    assert "tcp flags" not in full
    assert "meta ibrname @bridges counter drop" in full
    assert [] == elements(full, "bridge", "reply4") == elements(full, "bridge", "known")


def test_without_the_bridge_family_one_table_stands() -> None:
    found = text("app -> db:3306", features=FILTERING)

    assert "table bridge cloison_shop {" not in found
    assert "table inet cloison_shop {" in found


def test_a_reason_is_cut_at_the_length_of_a_comment_and_has_no_quotes() -> None:
    services = ", ".join(["app"] * 60)
    comments = re.findall(r'comment "(.*)"', text(f"{services} -> db:3306"))

    assert max(map(len, comments)) == MAX_COMMENT
    assert not any('"' in comment for comment in comments)


def test_what_the_kernel_can_do_is_said() -> None:
    assert [True, True, True, False] == [found.can_enforce for found in (STATELESS, FULL, FILTERING, NOTHING)]
    assert ["inside a bridge, a sender is known by its port, hardware address and address together"] == FULL.sentences
    assert "NF_TABLES_BRIDGE" in FILTERING.sentences[0]
    no_tracking = Features(bridge_family=True, bridge_conntrack=False, bridge_name=False, bridge_filtering=False)
    assert "replies over UDP" in no_tracking.sentences[1]


def test_the_elements_of_sets_about_connections_count_where_the_kernel_can() -> None:
    counting = text("app -> db:3306", features=replace(STATELESS, set_counters=True))
    counted = re.findall(r"  set (\w+)[46] \{\n    type [^;]*; counter;\n", counting)

    assert " counter;" not in text("app -> db:3306")
    assert {name for _, name in FORMS} == {*counted}
