"""Firewall rules that change while a proof runs: which of them make flows unknown."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

import pytest

from cloison.linux import netlink, ruleset
from cloison.linux.ruleset import Rule
from cloison.observe.evidence import changed_rules

PLAIN = Rule("nftables, table filter, chain FORWARD", frozenset(), b"accept")
OWN = Rule("nftables, table nat, chain DOCKER", frozenset({"br-own", "192.0.2.1"}), b"dnat")
OTHER = Rule("nftables, table nat, chain DOCKER", frozenset({"br-other", "192.0.2.1"}), b"dnat")
BELONGS: dict[str, bool | None] = {"br-own": True, "br-other": False, "192.0.2.1": None}


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        ({PLAIN}, {PLAIN}, ""),
        ({PLAIN}, set(), "firewall rules changed during the proof (nftables, table filter, chain FORWARD)"),
        (set(), {OWN}, "firewall rules changed during the proof (nftables, table nat, chain DOCKER)"),
        ({OTHER}, set(), ""),
        ({PLAIN}, "Permission denied", "the firewall rules could not be compared: Permission denied"),
        ("Permission denied", {PLAIN}, "the firewall rules could not be compared: Permission denied"),
    ],
)
def test_only_rules_that_may_concern_the_project_count(
    before: set[Rule] | str, now: set[Rule] | str, sentence: str
) -> None:
    first, last = (rules if isinstance(rules, str) else frozenset(rules) for rules in (before, now))

    assert sentence == changed_rules(first, last, BELONGS.__getitem__)


def test_in_a_container_every_rule_counts() -> None:
    assert changed_rules(frozenset(), frozenset({OTHER}))


def nested(kind: int, *members: bytes) -> bytes:
    """Return a netlink attribute whose payload is aligned."""
    content = b"".join(members)
    return netlink.attribute(kind, content + bytes(-len(content) % 4))


def text(kind: int, value: str) -> bytes:
    """Return an attribute with a string, aligned to 4 bytes as the kernel aligns it."""
    content = value.encode() + b"\0"
    return netlink.attribute(kind, content) + bytes(-len(content) % 4)


def expression(name: str, *data: bytes) -> bytes:
    """Return an element of a rule's list of expressions."""
    return nested(1, text(1, name), nested(2, *data))


def comparison(value: bytes) -> bytes:
    """Return a comparison with a value."""
    return expression("cmp", nested(3, nested(1, value)))


def nft_rule(*expressions: bytes) -> memoryview:
    """Return the body of a message about a rule of the table t, chain c."""
    return memoryview(struct.pack("=BBH", 2, 0, 0) + text(1, "t") + text(2, "c") + nested(4, *expressions))


META = expression("meta", netlink.attribute(2, bytes([0, 0, 0, 6])))
MARK = expression("meta", netlink.attribute(2, bytes([0, 0, 0, 3])))
NETWORK = expression("payload", netlink.attribute(2, bytes([0, 0, 0, 1])))
PORT = expression("payload", netlink.attribute(2, bytes([0, 0, 0, 2])))


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ((META, comparison(b"br-0123456789ab\0")), {"br-0123456789ab"}),
        ((META, comparison(b"docker0\0")), {"docker0"}),
        ((NETWORK, comparison(bytes([192, 0, 2, 1]))), {"192.0.2.1"}),
        ((NETWORK, comparison(bytes(15) + b"\x01")), {"::1"}),
        ((MARK, comparison(b"abc\0")), set()),
        ((PORT, comparison(b"P\0PP")), set()),
        ((), set()),
    ],
)
def test_a_rule_names_the_interfaces_and_addresses_that_it_compares_with(
    expressions: tuple[bytes, ...], names: set[str]
) -> None:
    found = ruleset._nft_rule(nft_rule(*expressions))  # noqa: SLF001  # the reader of one message

    assert ("nftables, table t, chain c", names) == (found.where, {*found.names})


def test_a_counter_is_no_change() -> None:
    rules = [ruleset._nft_rule(nft_rule(META, expression("counter", nested(1, bytes([n] * 8))))) for n in (1, 2)]  # noqa: SLF001  # as above

    assert rules[0] == rules[1]
    assert rules[0] != ruleset._nft_rule(nft_rule(MARK))  # noqa: SLF001  # as above


def legacy_entry(link: bytes, packets: int) -> bytes:
    """Return a struct ipt_entry for an incoming interface."""
    match = bytes([192, 0, 2, 1]) + bytes(4) + b"\xff" * 4 + bytes(4) + link.ljust(16, b"\0") + bytes(16)
    head = match.ljust(84, b"\0") + bytes(4) + struct.pack("=HHI", 112, 112, 0)
    return head + struct.pack("=QQ", packets, packets)


def test_a_legacy_rule_names_what_it_matches_and_its_counters_are_no_change() -> None:
    found = [ruleset._legacy_rule(4, "legacy", legacy_entry(b"br-own", n)) for n in (1, 2)]  # noqa: SLF001  # as above

    assert {"192.0.2.1", "br-own"} == found[0].names
    assert found[0] == found[1]


def failing(code: int) -> Callable[..., object]:
    """Return a function that fails with an errno."""

    def fail(*_: object) -> object:
        raise OSError(code, "no")

    return fail


def test_a_kernel_without_nftables_has_no_rules_and_another_error_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "dump", failing(errno.EOPNOTSUPP))
    assert [] == [*ruleset._nft_rules()]  # noqa: SLF001  # as above

    monkeypatch.setattr(netlink, "dump", failing(errno.EPERM))
    with pytest.raises(OSError, match="no"):
        [*ruleset._nft_rules()]  # noqa: SLF001  # as above
