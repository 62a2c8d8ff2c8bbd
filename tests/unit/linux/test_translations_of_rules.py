"""Rules are decoded and evaluated: captured dumps of a kernel, and expressions that no program here writes."""

from __future__ import annotations

import errno
import json
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from cloison.linux import legacy_iptables, netfilter, nft_evaluation, nftables, xtables
from cloison.linux.nft_evaluation import MAX_ELEMENTS, MAX_STEPS
from cloison.linux.nftables import Attributes, Chain, Data, Element, Expression, Ruleset, Set
from cloison.linux.translation import Conditions, Target, Translations, every
from cloison.linux.xtables import NotUnderstood

CAPTURED: Final[Mapping[str, Any]] = json.loads((Path(__file__).parent / "captured_rules.json").read_text())
"""Dumps of Linux 6.18, from the rules of tests/integration/linux/test_translations.py."""
IP, IP6, INET, BRIDGE = 2, 10, 1, 7
V4, V6 = frozenset({4}), frozenset({6})


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a kernel with the captured rules."""

    def dump(_: socket.socket, kind: int, family: int = 0, body: bytes = b"") -> Iterator[tuple[int, Attributes]]:
        for of, found in CAPTURED["nftables"][f"{kind} {family} {body.hex()}"]:
            yield of, {int(number): bytes.fromhex(value) for number, value in found.items()}

    def table(version: int, name: str) -> tuple[dict[str, int], bytes]:
        hooks, rules = CAPTURED["legacy"][f"{version} {name}"]
        return hooks, bytes.fromhex(rules)

    monkeypatch.setattr(nftables, "_dump", dump)
    monkeypatch.setattr(netfilter, "legacy_table", table)
    monkeypatch.setattr(netfilter, "legacy_tables", lambda v: [k[2:] for k in CAPTURED["legacy"] if int(k[0]) == v])


def shown(found: Translations) -> list[str]:
    """Return translations as short texts: the ports, and where they lead."""
    return sorted(
        f"{list(item.conditions.ports or ())} {item.target.addresses and item.target.addresses[0] % 256} "
        f"{item.target.ports} {item.target.is_local}"
        for item in found.found
    )


def test_captured_rules_of_nftables_are_evaluated(kernel: None) -> None:
    found = nft_evaluation.translations(nftables.read())

    assert [] == found.not_understood
    assert 22 == len(found.found)
    assert {"tproxy" in item.chain or item.is_output for item in found.found} == {False, True}
    assert "[(100, 200)] 5 None False" in shown(found)
    assert "[(85, 90)] 3 (1, 5) False" in shown(found)
    assert "[(5, 6)] None None True" in shown(found)


def test_captured_rules_of_legacy_iptables_are_evaluated(kernel: None) -> None:
    assert sorted(
        [
            "[(13306, 13306)] 2 (3306, 3306) False",
            "[(53, 53)] None (9, 9) True",
            "[(54, 54)] 1 (9, 9) False",
            "[(7, 9)] 3 None False",
            "[(80, 80), (90, 95)] None (8080, 8080) True",
            "[] 2 (53, 60) False",
        ]
    ) == shown(legacy_iptables.translations())


def test_the_chains_of_a_captured_legacy_table_have_their_rules(kernel: None) -> None:
    hooks, rules = netfilter.legacy_table(4, "filter")

    assert {"INPUT": [("REJECT", False), ("", False)], "FORWARD": [("DROP", False), ("", False)],
            "OUTPUT": [("", False)]} == legacy_iptables.chains(hooks, rules, 4)  # fmt: skip


@pytest.mark.parametrize("code", [errno.EPROTONOSUPPORT, errno.EPERM])
def test_a_kernel_without_nftables_has_no_rules(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(*_: object) -> Iterator[tuple[int, Attributes]]:
        raise OSError(code, "refused")

    monkeypatch.setattr(nftables, "_dump", refused)
    if code == errno.EPERM:
        with pytest.raises(OSError, match="refused"):
            nftables.read()
    else:
        assert () == nftables.read().chains


def test_a_dormant_table_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def dump(_: socket.socket, kind: int) -> Iterator[tuple[int, Attributes]]:
        if kind == nftables.NFT_MSG_GETTABLE:
            yield from ((IP, {1: b"on\0"}), (IP, {1: b"off\0", 2: struct.pack(">I", 1)}))
        elif kind == nftables.NFT_MSG_GETCHAIN:
            yield from ((IP, {1: table, 3: b"pre\0"}) for table in (b"on\0", b"off\0"))

    monkeypatch.setattr(nftables, "_dump", dump)

    assert ["on"] == [chain.table for chain in nftables.read().chains]


def test_without_tables_no_chain_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "_dump", lambda *_: iter(()))

    assert () == nftables.read().chains


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def element(key: bytes, flags: int = 0, data: bytes = b"") -> bytes:
    """Return an element as the kernel encodes it."""
    found = attribute(1, attribute(1, key)) + attribute(3, struct.pack(">I", flags))
    return attribute(1, found + (attribute(2, attribute(1, data)) if data else b""))


def test_the_last_interval_may_have_no_end_and_a_map_an_element_for_all() -> None:
    lists = [element(b"\x00\x05", 0, b"a") + element(b"\x00\x00", 1) + element(b"", 2, b"b")]

    assert (Element(b"", b"", Data(b"b")), Element(b"\x00\x05", b"\xff\xff", Data(b"a"))) == nftables.decode_elements(
        lists, nftables.NFT_SET_INTERVAL
    )


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def constant(value: bytes) -> bytes:
    return attribute(1, value)


def expression(name: str, *, data: Mapping[int, bytes] | None = None, **numbers: int) -> Expression:
    """Return an expression; `n3=7` is the attribute 3 with the number 7."""
    return Expression(name, {int(key[1:]): number(value) for key, value in numbers.items()} | dict(data or {}))


def payload(base: int, offset: int, length: int, register: int = 1) -> Expression:
    return expression("payload", n1=register, n2=base, n3=offset, n4=length)


def equal(value: bytes, operator: int = 0) -> Expression:
    return expression("cmp", n1=1, n2=operator, data={3: constant(value)})


DPORT = payload(2, 2, 2)
REDIRECT = expression("redir")
PORT_80 = b"\x00\x50"


def evaluated(*rule: Expression, family: int = IP, sets: Mapping[str, Set] | None = None) -> Translations:
    """Evaluate one rule in a chain of prerouting."""
    chain = Chain(family, "t", "pre", "nat", 0, (rule,))
    return nft_evaluation.translations(Ruleset((chain,), lambda _, __, name: (sets or {})[name]))


def ports(*rule: Expression, **more: Any) -> list[tuple[tuple[int, int], ...] | None]:
    """Return the ports of a rule's translations."""
    return [item.conditions.ports for item in evaluated(*rule, **more).found]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ([DPORT, equal(PORT_80), REDIRECT], [((80, 80),)]),
        ([DPORT, equal(PORT_80, 1), REDIRECT], [None]),
        ([DPORT, equal(PORT_80, 2), REDIRECT], [((0, 80),)]),
        ([DPORT, equal(PORT_80, 3), REDIRECT], [((0, 80),)]),
        ([DPORT, equal(PORT_80, 4), REDIRECT], [((80, 65535),)]),
        ([DPORT, equal(PORT_80, 5), REDIRECT], [((80, 65535),)]),
        ([DPORT, equal(PORT_80), equal(b"\x00\x51"), REDIRECT], []),
        ([DPORT, expression("range", n1=1, n2=0, data={3: constant(PORT_80), 4: constant(b"\x00\x5a")}), REDIRECT],
         [((80, 90),)]),
        ([DPORT, expression("range", n1=1, n2=1, data={3: constant(PORT_80), 4: constant(b"\x00\x5a")}), REDIRECT],
         [None]),
        # Both ports in one register; of a range of both, nothing follows for one.
        ([payload(2, 0, 4), equal(b"\x03\xe8" + PORT_80), REDIRECT], [((80, 80),)]),
        ([payload(2, 0, 4), equal(b"\x03\xe8" + PORT_80, 5), REDIRECT], [None]),
        # Masks: a prefix is an interval, others match everything.
        ([DPORT, expression("bitwise", n1=1, n2=1, data={4: constant(b"\xff\xf0"), 5: constant(bytes(2))}),
          equal(PORT_80), REDIRECT], [((80, 95),)]),
        ([DPORT, expression("bitwise", n1=1, n2=1, data={4: constant(b"\x00\xff"), 5: constant(bytes(2))}),
          equal(PORT_80), REDIRECT], [None]),
        ([DPORT, expression("bitwise", n1=1, n2=1, data={4: constant(b"\xff\xf0"), 5: constant(bytes(2))}),
          equal(PORT_80, 5), REDIRECT], [None]),
        ([DPORT, expression("bitwise", n1=1, n2=1, data={4: constant(b"\xff\xff"), 5: constant(b"\x00\x01")}),
          equal(PORT_80), REDIRECT], [None]),
        # What another expression loads is unknown.
        ([DPORT, expression("numgen", n1=1), equal(PORT_80), REDIRECT], [None]),
        ([expression("byteorder", n1=1, n2=0), DPORT, equal(PORT_80), REDIRECT], [((80, 80),)]),
        ([expression("meta", n1=1, n2=3), equal(PORT_80), REDIRECT], [None]),
        ([expression("meta", n3=1, n2=3), expression("counter"), DPORT, equal(PORT_80), REDIRECT], [((80, 80),)]),
        ([expression("nat", n1=0, n2=IP)], []),
        ([expression("nat", n1=1, n2=IP6)], []),
        ([expression("immediate", n1=0, data={2: attribute(2, attribute(1, number(1)))}), REDIRECT], [None]),
    ],
)  # fmt: skip
def test_conditions_on_a_port_are_followed(
    rule: list[Expression], expected: list[tuple[tuple[int, int], ...] | None]
) -> None:
    assert expected == ports(*rule)


@pytest.mark.parametrize(
    ("family", "rule", "versions"),
    [
        (IP6, [], V6),
        (INET, [expression("meta", n1=1, n2=15), equal(b"\x0a")], V6),
        (BRIDGE, [expression("meta", n1=1, n2=1), equal(b"\x08\x00")], V4),
        (BRIDGE, [payload(0, 12, 2), equal(b"\x86\xdd")], V6),
        (INET, [payload(1, 16, 4), equal(b"\x0a\x00\x00\x01")], V4 | V6),
    ],
)
def test_the_version_of_ip_is_followed(family: int, rule: list[Expression], versions: frozenset[int]) -> None:
    (found,) = evaluated(*rule, REDIRECT, family=family).found

    assert (versions, None) == (found.conditions.versions, found.conditions.addresses)


def test_a_version_that_no_packet_has_leaves_no_translation() -> None:
    assert [] == evaluated(expression("meta", n1=1, n2=15), equal(b"\x0a"), REDIRECT).found


@pytest.mark.parametrize(
    ("held", "flags", "expected"),
    [
        (Set(0, (Element(PORT_80, PORT_80), Element(b"\x00\x52", b"\x00\x53"))), 0, [((80, 80), (82, 83))]),
        (Set(0, (Element(PORT_80, PORT_80),)), 1, [None]),
        (Set(nftables.NFT_SET_EVAL, (Element(PORT_80, PORT_80),)), 0, [None]),
        (Set(0, (Element(PORT_80, PORT_80), Element(b"", b""))), 0, [None]),
        (Set(0, (Element(PORT_80, PORT_80),) * (MAX_ELEMENTS + 1)), 0, [None]),
        (Set(0, ()), 0, []),
    ],
)
def test_sets_are_followed(held: Set, flags: int, expected: list[object]) -> None:
    lookup = expression("lookup", n2=1, n5=flags, data={1: b"s\0"})

    assert expected == ports(DPORT, lookup, REDIRECT, sets={"s": held})


def test_a_jump_to_a_chain_that_is_gone_is_named() -> None:
    jump = attribute(2, attribute(1, struct.pack(">i", -3)) + attribute(2, b"gone\0"))

    found = evaluated(REDIRECT, expression("immediate", n1=0, data={2: jump}))

    assert "a jump to the chain gone, which is gone" == named(found)


def test_a_set_is_read_once() -> None:
    lookup = expression("lookup", n2=1, data={1: b"s\0"})
    asked = []

    def read(family: int, table: str, name: str) -> Set:
        asked.append((family, table, name))
        return Set(0, (Element(PORT_80, PORT_80),))

    chain = Chain(IP, "t", "pre", "nat", 0, ((DPORT, lookup, REDIRECT), (DPORT, lookup, REDIRECT)))
    found = nft_evaluation.translations(Ruleset((chain,), read))

    assert (2, [(IP, "t", "s")]) == (len(found.found), asked)


LOOKUP_OF_MAP = expression("lookup", n2=1, n3=1, data={1: b"m\0"})
DNAT = expression("nat", n1=1, n2=IP, n3=1)


def test_maps_are_followed_and_large_ones_named() -> None:
    to = Data(b"\x0a\x00\x00\x01")
    small = Set(0, (Element(PORT_80, PORT_80, to), Element(b"", b"", to)))
    large = Set(0, small.elements * MAX_ELEMENTS)

    assert [((80, 80),), None] == ports(DPORT, LOOKUP_OF_MAP, DNAT, sets={"m": small})
    found = evaluated(DPORT, LOOKUP_OF_MAP, DNAT, sets={"m": large})
    assert ([], ["the map m with 8192 elements"]) == (found.found, [named(found)])


def named(found: Translations) -> str:
    """Return what the only sentence about a rule names."""
    (sentence,) = found.not_understood
    return sentence.partition(" has ")[2].partition(", which may redirect")[0]


def test_a_target_in_an_unknown_register_may_be_any_address() -> None:
    (found,) = evaluated(payload(1, 16, 4), DNAT).found

    assert Target(every(32)[0]) == found.target


def test_a_constant_replaces_what_its_registers_held() -> None:
    load = expression("immediate", n1=1, data={2: constant(b"\x0a\x00\x00\x01")})

    assert [(0x0A000001, 0x0A000001)] == [item.target.addresses for item in evaluated(DPORT, load, DNAT).found]


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (expression("payload", n5=1, n2=1, n3=16, n4=4), "a rule that writes into the packet's destination"),
        (expression("payload", n5=1, n2=0, n3=0, n4=6), "a rule that writes into the packet's destination"),
        (expression("fwd"), "the expression fwd"),
        (expression("teleport"), "the expression teleport"),
        (Expression("target", {1: b"RAWDNAT\0"}), "the target RAWDNAT"),
    ],
)
def test_what_is_not_understood_is_named_once(rule: Expression, what: str) -> None:
    assert what == named(evaluated(rule, rule))


@pytest.mark.parametrize(
    "rule",
    [
        expression("payload", n5=1, n2=1, n3=1, n4=1),
        expression("counter"),
        Expression("target", {1: b"MASQUERADE\0"}),
        Expression("match", {1: b"tcp\0", 2: number(0), 3: struct.pack("=4H4B", 0, 0, 1, 2, 0, 0, 0, 0)}),
    ],
)
def test_what_translates_nothing_is_not_named(rule: Expression) -> None:
    assert Translations() == evaluated(rule)


def test_a_match_that_leaves_no_packet_ends_a_rule() -> None:
    match = Expression("match", {1: b"tcp\0", 2: number(0), 3: struct.pack("=4H4B", 0, 0, 1, 2, 0, 0, 0, 0)})

    assert [] == ports(DPORT, equal(PORT_80), match, REDIRECT)


def test_a_ruleset_that_is_too_large_is_named() -> None:
    rule = (expression("counter"),) * (MAX_STEPS + 1)

    assert f"more than {MAX_STEPS} conditions" == named(evaluated(REDIRECT, *rule))


TCP_80 = struct.pack("=4H4B", 0, 65535, 80, 90, 0, 0, 0, 0)
RANGE_OF_ADDRESSES = bytes(32) + b"\x0a\x00\x00\x01".ljust(16, b"\0") + b"\x0a\x00\x00\x09".ljust(16, b"\0")


def multiport(flags: int, held: list[int], pairs: bytes = b"", inverted: int = 0) -> bytes:
    padded = [*held, *[0] * (15 - len(held))]
    return struct.pack("=2B15H", flags, len(held), *padded) + pairs.ljust(15, b"\0") + bytes([inverted])


@pytest.mark.parametrize(
    ("name", "revision", "info", "expected"),
    [
        ("tcp", 0, TCP_80, ((80, 90),)),
        ("tcp", 0, TCP_80[:11] + b"\x02", None),
        ("udp", 0, TCP_80[:8] + b"\x02", None),
        ("udp", 0, TCP_80[:8] + b"\x00", ((80, 90),)),
        ("multiport", 1, multiport(1, [80, 90, 95], b"\x00\x01\x00"), ((80, 80), (90, 95))),
        ("multiport", 0, multiport(2, [80, 81])[:32], ((80, 80), (81, 81))),
        ("multiport", 1, multiport(0, [80]), None),
        ("multiport", 1, multiport(1, [80], inverted=1), None),
        ("addrtype", 1, b"", None),
    ],
)
def test_matches_narrow_the_ports(name: str, revision: int, info: bytes, expected: object) -> None:
    found = xtables.narrowed(Conditions(V4), name, revision, info)

    assert found is not None
    assert expected == found.ports


@pytest.mark.parametrize(("flags", "expected"), [(2, ((0x0A000001, 0x0A000009),)), (2 | 32, None), (1, None)])
def test_a_range_narrows_the_addresses(flags: int, expected: object) -> None:
    found = xtables.narrowed(Conditions(V4), "iprange", 1, RANGE_OF_ADDRESSES + bytes([flags]))

    assert found is not None
    assert expected == found.addresses


V4_RANGE = struct.pack("=II4s4s2s2s", 1, 3, b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02", PORT_80, b"\x00\x51")
V6_RANGE = struct.pack("=I16s16s2s2s", 1, bytes(15) + b"\x01", bytes(15) + b"\x02", bytes(2), bytes(2))


@pytest.mark.parametrize(
    ("name", "revision", "info", "version", "expected"),
    [
        ("DNAT", 0, V4_RANGE, 4, Target((0x0A000001, 0x0A000002), (80, 81))),
        ("NETMAP", 0, V4_RANGE, 4, Target((0x0A000001, 0x0A000002), (80, 81))),
        ("REDIRECT", 0, V4_RANGE, 4, Target(None, (80, 81), is_local=True)),
        ("DNAT", 2, V6_RANGE + bytes(4), 6, Target((1, 2))),
        ("TPROXY", 0, bytes(8) + bytes(4) + PORT_80, 4, Target(None, (80, 80), is_local=True)),
        ("TPROXY", 1, bytes(8) + bytes(16) + bytes(2), 6, Target(None, None, is_local=True)),
        ("MASQUERADE", 0, b"", 4, None),
    ],
)
def test_targets_are_decoded(name: str, revision: int, info: bytes, version: int, expected: Target | None) -> None:
    assert expected == xtables.target(name, revision, info, version)


def test_an_unknown_target_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match="the target RAWDNAT"):
        xtables.target("RAWDNAT", 0, b"", 4)


ENTRY_SIZE = 112


def entry(target: bytes, conditions: bytes = bytes(84)) -> bytes:
    """Return a legacy rule of IPv4 with a target."""
    size = ENTRY_SIZE + len(target)
    return conditions + struct.pack("=IHHI16x", 0, ENTRY_SIZE, size, 0) + target


def extension(name: bytes, info: bytes) -> bytes:
    return struct.pack("=H29sB", 32 + len(info), name, 0) + info


def verdict(code: int) -> bytes:
    return extension(b"", struct.pack("=i4x", code))


ON_UDP = bytes(80) + struct.pack("=HBB", socket.IPPROTO_UDP, 0, 0)
ON_TCP = bytes(80) + struct.pack("=HBB", socket.IPPROTO_TCP, 0, 0)
ON_NO_PREFIX = bytes(12) + b"\xff\x00\xff\x00" + bytes(68)
ERROR_END = entry(extension(b"ERROR", b"end".ljust(32, b"\0")))
REDIRECTING = extension(b"REDIRECT", V4_RANGE)


def legacy(*rules: bytes) -> Translations:
    """Evaluate legacy rules of PREROUTING."""
    result = Translations()
    found = legacy_iptables.entries(b"".join((*rules, ERROR_END)), 4)
    legacy_iptables.Evaluator(found, 4, "the table nat", result).evaluate("PREROUTING", 0)
    return result


def test_a_legacy_rule_behind_an_unconditional_verdict_is_not_evaluated() -> None:
    assert [] == legacy(entry(verdict(-2)), entry(REDIRECTING)).found
    assert 1 == len(legacy(entry(verdict(-2), ON_UDP), entry(REDIRECTING)).found)


def test_a_legacy_mask_that_is_no_prefix_matches_every_address() -> None:
    assert [None] == [item.conditions.addresses for item in legacy(entry(REDIRECTING, ON_NO_PREFIX)).found]


def test_a_legacy_chain_whose_conditions_exclude_its_jump_has_no_translations() -> None:
    jump = entry(verdict(2 * (ENTRY_SIZE + 40)), ON_UDP)
    policy = entry(verdict(-2))

    assert [] == legacy(jump, policy, entry(REDIRECTING, ON_TCP)).found


def test_a_legacy_target_that_is_not_known_is_named_once() -> None:
    unknown = entry(extension(b"RAWDNAT", bytes(8)))

    assert "the target RAWDNAT" == named(legacy(unknown, unknown))


def test_a_legacy_target_that_translates_no_destination_is_left_out() -> None:
    assert Translations() == legacy(entry(extension(b"MASQUERADE", bytes(24))))


def test_a_legacy_table_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy_iptables, "MAX_STEPS", 1)

    assert "more than 1 rules" == named(legacy(entry(REDIRECTING), entry(REDIRECTING)))


def test_conditions_that_no_packet_has_are_none() -> None:
    narrow = Conditions(V4, ((6, 6),), ((1, 5),), ((1, 5),))

    assert narrow.with_versions({6}) is None
    assert narrow.with_protocols(((17, 17),)) is None
    assert narrow.with_addresses(((6, 7),)) is None
    assert narrow.with_ports(((6, 7),)) is None
    assert narrow.matches_address("0.0.0.3")
    assert not narrow.matches_address("::3")
