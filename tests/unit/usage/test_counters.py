"""The use of connections by the counters of the enforced rules, in tables as nft's JSON lists them."""

from __future__ import annotations

from typing import Any

from cloison.model.flow import HOST, OUTSIDE
from cloison.usage.counters import Owners, counted
from cloison.usage.record import Arrow, Usage

OWNERS = Owners(
    {"10.0.0.2": ("app",), "10.0.0.3": ("db",), "10.0.0.4": ("proxy", "sidecar")}, {"va": ("app",), "vd": ("db",)}
)
BYTES = 100


def element(packets: int, *value: Any) -> dict[str, Any]:
    """Return an element of a set that counts."""
    whole = {"concat": list(value)} if len(value) > 1 else value[0]
    return {"elem": {"val": whole, "comment": "why", "counter": {"packets": packets, "bytes": packets * BYTES}}}


def table(name: str, *elements: Any, handle: int = 1) -> list[dict[str, Any]]:
    """Return a table with one set."""
    return [{"metainfo": {}}, {"table": {"handle": handle}}, {"set": {"name": name, "elem": list(elements)}}]


def seen(family: str, name: str, *value: Any) -> dict[Arrow, int]:
    """Return the arrows of one element."""
    return dict(counted(Usage("shop"), {family: table(name, element(1, *value))}, OWNERS).used)


def test_each_set_names_its_connections() -> None:
    database = Arrow("app", "db", "tcp", 3306)

    assert {database: 0} == seen("bridge", "allow4", "va", "vd", "10.0.0.3", "tcp", 3306)
    assert {Arrow("app", "db", "", 0): 0} == seen("bridge", "whole4", "va", "vd", "10.0.0.3")
    assert {database: 0} == seen("inet", "allow4", "br", "10.0.0.2", "10.0.0.3", "tcp", 3306)
    assert {Arrow("app", "db", "", 0): 0} == seen("inet", "whole4", "br", "10.0.0.2", "10.0.0.3")
    assert {Arrow(OUTSIDE, "db", "tcp", 80): 0} == seen("inet", "inbound4", "10.0.0.3", "tcp", 80)
    assert {Arrow(OUTSIDE, "db", "", 0): 0} == seen("inet", "inbound_whole4", "10.0.0.3")
    assert {Arrow(HOST, "db", "tcp", 80): 0} == seen("inet", "from_host4", "10.0.0.3", "tcp", 80)
    assert {Arrow(HOST, "db", "", 0): 0} == seen("inet", "from_host_whole4", "10.0.0.3")
    assert {Arrow("app", HOST, "udp", 53): 0} == seen("inet", "to_host4", "br", "10.0.0.2", "udp", 53)
    assert {Arrow("app", HOST, "", 0): 0} == seen("inet", "to_host_whole4", "br", "10.0.0.2")
    assert {Arrow("app", OUTSIDE, "tcp", 0): 0} == seen("inet", "outbound4", "br", "10.0.0.2")


def test_services_that_share_an_address_are_all_used_and_an_unknown_address_is_nobodys() -> None:
    ends = ("10.0.0.4", "10.0.0.3", "tcp", 1)

    assert {Arrow("proxy", "db", "tcp", 1), Arrow("sidecar", "db", "tcp", 1)} == seen(
        "inet", "allow4", "br", *ends
    ).keys()
    assert {} == seen("inet", "allow4", "br", "10.0.0.9", "10.0.0.3", "tcp", 1)
    assert {} == seen("inet", "bridges", "br")


def test_only_what_was_counted_since_the_last_time_is_a_use() -> None:
    usage, value = Usage("shop"), ("br", "10.0.0.2", "10.0.0.3", "tcp", 3306)

    def again(packets: int, handle: int = 1) -> bool:
        return bool(counted(usage, {"inet": table("allow4", element(packets, *value), handle=handle)}, OWNERS).used)

    assert [False, True, False, True] == [again(0), again(2), again(2), again(3)]
    assert [True, False] == [again(3, handle=2), again(3, handle=2)], "a table that was loaded anew counts from 0"


def test_bytes_are_known_where_the_kernel_tracks_no_connections_inside_a_bridge() -> None:
    first = ("va", "vd", "10.0.0.3", "tcp", 3306)
    there, back = table("allow4", element(2, *first)), table("reply4", element(3, "vd", "va", *first[2:]))
    stateless = counted(Usage("shop"), {"bridge": there + back[2:]}, OWNERS)

    assert {Arrow("app", "db", "tcp", 3306): 5 * BYTES} == stateless.bytes
    assert {} == counted(Usage("shop"), {"bridge": there}, OWNERS).bytes
    assert ({}, {}) == counted(Usage("shop"), {"bridge": back}, OWNERS)[:2], "a reply alone is no use"


def test_the_time_between_two_readings_is_counted_only_in_the_same_tables() -> None:
    usage, one = Usage("shop"), element(0, "10.0.0.3", "tcp", 80)

    def is_counted(*elements: Any, handle: int = 1) -> bool:
        return counted(usage, {"inet": table("inbound4", *elements, handle=handle)}, OWNERS).is_counted

    assert [False, True, False] == [is_counted(one), is_counted(one), is_counted(one, handle=2)]
    plain = {"elem": {"val": "10.0.0.3", "comment": "a table of an older version"}}
    assert [False, False] == [is_counted(plain, handle=3), is_counted("10.0.0.3", handle=3)]
    assert not counted(Usage("shop"), {}, OWNERS).is_counted


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    """Return a comparison of a rule."""
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: str, name: str) -> dict[str, Any]:
    """Return a field of a packet."""
    return {"payload": {"protocol": protocol, "field": name}}


def of_rule(family: str, chain: str, *matches: Any) -> set[Arrow]:
    """Return the arrows of a rule about a range of ports."""
    expressions = [*matches, {"counter": {"packets": 1, "bytes": 60}}, {"accept": None}]
    rules = [
        {"rule": {"chain": chain, "expr": [{"counter": {"packets": 9, "bytes": 9}}, {"drop": None}]}},
        {"rule": {"chain": chain, "comment": "why", "expr": expressions}},
    ]
    return set(counted(Usage("shop"), {family: rules}, OWNERS).used)


def test_a_rule_about_a_range_of_ports_counts_by_the_first_port() -> None:
    ends = [match({"meta": {"key": "iifname"}}, "va"), match({"meta": {"key": "oifname"}}, "vd")]
    to_db = match(field("ip", "daddr"), "10.0.0.3")
    ports, replies = (match(field("udp", name), {"range": [80, 90]}) for name in ("dport", "sport"))
    bridge = match({"meta": {"key": "iifname"}}, "br")
    from_app = match(field("ip", "saddr"), "10.0.0.2")
    other = match({"meta": {"key": "iifname"}}, "@bridges", "!=")

    assert {Arrow("app", "db", "udp", 80)} == of_rule("bridge", "inside", *ends, to_db, ports)
    assert set() == of_rule("bridge", "inside", *ends, replies)
    assert {Arrow("app", "db", "udp", 80)} == of_rule("inet", "routed", bridge, from_app, to_db, ports)
    assert {Arrow(OUTSIDE, "db", "udp", 80)} == of_rule("inet", "routed", other, to_db, ports)
    assert {Arrow("app", HOST, "udp", 80)} == of_rule("inet", "to_host", bridge, from_app, ports)
    assert {Arrow(HOST, "db", "udp", 80), Arrow(OUTSIDE, "db", "udp", 80)} == of_rule("inet", "from_host", to_db, ports)
