"""The use of connections by the counters of the enforced rules: the kernel counts the packets of every element.

Input: the tables as nft's JSON names them, whose each address and port of a bridge is, and the record. Output: `Seen`.
Rules:
  - A set of `enforce.ruleset` that has connections is a row of a table here; its element names the connection.
  - Counters begin at 0 in a table that was loaded anew, which has another handle.
  - Where established connections pass before the sets, an element counts the packets that begin a connection, so bytes
    are known only of the sets for packets inside a bridge without connection tracking: these have a set of replies.
Source: https://manpages.debian.org/bookworm/libnftables1/libnftables-json.5.en.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cloison.model.flow import HOST, OUTSIDE
from cloison.usage.record import MOST_COUNTERS, Arrow, Counted, Seen, Usage

Objects = Sequence[Mapping[str, Any]]
SOURCE, TARGET, SOURCE_PORT, TARGET_PORT, PROTOCOL, PORT, OTHER = "sdSDpn-"
"""The parts of an element: an address of either end, a port of a bridge of either end, a protocol, a port, another."""


@dataclass(frozen=True, slots=True)
class _Form:
    """The parts of an element, and the ends that no part names."""

    parts: str
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


FORMS: Final[Mapping[tuple[str, str], _Form]] = {
    ("bridge", "allow"): _Form("SD-pn"),
    ("bridge", "reply"): _Form("DS-pn"),
    ("bridge", "whole"): _Form("SD-"),
    ("bridge", "whole_reply"): _Form("DS-"),
    ("inet", "allow"): _Form("-sdpn"),
    ("inet", "whole"): _Form("-sd"),
    ("inet", "inbound"): _Form("dpn", sources=(OUTSIDE,)),
    ("inet", "inbound_whole"): _Form("d", sources=(OUTSIDE,)),
    ("inet", "from_host"): _Form("dpn", sources=(HOST,)),
    ("inet", "from_host_whole"): _Form("d", sources=(HOST,)),
    ("inet", "to_host"): _Form("-spn", targets=(HOST,)),
    ("inet", "to_host_whole"): _Form("-s", targets=(HOST,)),
    ("inet", "outbound"): _Form("-s", targets=(OUTSIDE,)),
}
"""A family and a set without its version of IP, to the form of its elements."""
CHAINS: Final[Mapping[tuple[str, str], _Form]] = {
    ("bridge", "inside"): _Form(""),
    ("inet", "routed"): _Form("", sources=(OUTSIDE,)),
    ("inet", "to_host"): _Form("", targets=(HOST,)),
    ("inet", "from_host"): _Form("", sources=(HOST, OUTSIDE)),
}
"""A family and a chain with rules about ranges of ports, to the ends that a rule without an address means: through the
engine's proxy of a published port the outside comes from the host."""
FIELDS: Final[Mapping[str, str]] = {"saddr": SOURCE, "daddr": TARGET, "iifname": SOURCE_PORT, "oifname": TARGET_PORT}
"""The fields that such a rule compares, as parts."""
RULE: Final = "-"
"""The beginning of the key of a rule's counter."""
REPLIES: Final = frozenset({"reply", "whole_reply"})


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose the addresses are, and the ports of bridges; an unknown one has no entry."""

    addresses: Mapping[str, Sequence[str]]
    ports: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Counter:
    """A counter of a table, and the connections that it counts; `is_reply` says that it counts their replies."""

    family: str
    key: str
    packets: int
    bytes: int
    arrows: tuple[Arrow, ...]
    is_reply: bool = False


def counted(usage: Usage, tables: Mapping[str, Objects], owners: Owners) -> Seen:
    """Return what the counters show since they were read last; the record remembers what they have now."""
    found = [*_counters(tables, owners)][:MOST_COUNTERS]
    used: dict[Arrow, int] = {}
    volume: dict[Arrow, int] = {}
    is_stateless = any(one.is_reply for one in found)
    for one in found:
        packets, size = _since(usage.counters.get(one.family), _handle(tables[one.family]), one)
        if packets > 0:
            used |= {} if one.is_reply else dict.fromkeys(one.arrows, 0)
            if one.family == "bridge" and is_stateless:
                volume |= {arrow: volume.get(arrow, 0) + max(0, size) for arrow in one.arrows}
    is_counted = any(one.key[0] != RULE for one in found) and _are_same(usage, tables)
    usage.counters = {
        family: Counted(
            _handle(objects),
            {one.key: one.packets for one in found if one.family == family},
            {one.key: one.bytes for one in found if one.family == family},
        )
        for family, objects in tables.items()
    }
    return Seen(used, {arrow: size for arrow, size in volume.items() if arrow in used}, is_counted)


def _since(before: Counted | None, handle: int, one: _Counter) -> tuple[int, int]:
    """Return what a counter counted since it was read last."""
    if before is None or before.handle != handle:
        return one.packets, one.bytes
    return one.packets - before.packets.get(one.key, 0), one.bytes - before.bytes.get(one.key, 0)


def _are_same(usage: Usage, tables: Mapping[str, Objects]) -> bool:
    """Whether the tables are those that were read last, so that nothing was counted elsewhere in between."""
    return {family: found.handle for family, found in usage.counters.items()} == {
        family: _handle(objects) for family, objects in tables.items()
    }


def _counters(tables: Mapping[str, Objects], owners: Owners) -> Iterator[_Counter]:
    for family, name, element in _elements(tables):
        counter = element.get("elem", {}).get("counter") if isinstance(element, Mapping) else None
        if counter:
            value, kind = _value(element), name[:-1]
            arrows = tuple(_arrows(value, FORMS[family, kind], owners))
            key = f"{name} {json.dumps(value)}"
            yield _Counter(family, key, counter["packets"], counter["bytes"], arrows, kind in REPLIES)
    for family, objects in tables.items():
        for entry in objects:
            rule = entry.get("rule", {})
            if rule.get("comment") and (family, rule["chain"]) in CHAINS:
                yield from _of_range(family, rule, owners)


def _of_range(family: str, rule: Mapping[str, Any], owners: Owners) -> Iterator[_Counter]:
    """Yield the counter of a rule about a range of ports, by the first port of the range; none of one about replies."""
    *matches, counter, _ = rule["expr"]
    parts: dict[str, Any] = {}
    for match in (found["match"] for found in matches):
        left, right = match["left"], match["right"]
        if isinstance(right, Mapping) and "range" in right:
            if left["payload"]["field"] == "sport":
                return
            parts |= {PROTOCOL: left["payload"]["protocol"], PORT: right["range"][0]}
        elif match["op"] == "==":
            field = left["payload"]["field"] if "payload" in left else left["meta"]["key"]
            parts[FIELDS[field]] = right
    if family == "inet":
        parts.pop(SOURCE_PORT, None)  # the name of a bridge
    form = replace(CHAINS[family, rule["chain"]], parts="".join(parts))
    arrows = tuple(_arrows([*parts.values()], form, owners))
    key, found = f"{RULE} {json.dumps(matches)}", counter["counter"]
    yield _Counter(family, key, found["packets"], found["bytes"], arrows)


def _handle(objects: Objects) -> int:
    return next((int(entry["table"]["handle"]) for entry in objects if "table" in entry), 0)


def _elements(tables: Mapping[str, Objects]) -> Iterator[tuple[str, str, Any]]:
    """Yield the elements of the sets that name connections, each with the family and the name of its set."""
    for family, objects in tables.items():
        for entry in objects:
            name = str(entry.get("set", {}).get("name", ""))
            if (family, name[:-1]) in FORMS:
                yield from ((family, name, element) for element in entry["set"].get("elem", ()))


def _value(element: Any) -> list[Any]:
    """Return the parts of an element, which has a counter."""
    value = element["elem"]["val"]
    return list(value["concat"]) if isinstance(value, Mapping) and "concat" in value else [value]


def _arrows(value: Sequence[Any], form: _Form, owners: Owners) -> Iterator[Arrow]:
    parts = dict(zip(form.parts, value, strict=True))
    sources = _places(parts, SOURCE, SOURCE_PORT, owners) or form.sources
    targets = _places(parts, TARGET, TARGET_PORT, owners) or form.targets
    for begin in sources:
        for end in targets:
            protocol = "tcp" if end == OUTSIDE else str(parts.get(PROTOCOL, ""))
            yield Arrow(begin, end, protocol, int(parts.get(PORT, 0)))


def _places(parts: Mapping[str, Any], address: str, port: str, owners: Owners) -> Sequence[str]:
    if address in parts:
        return owners.addresses.get(str(parts[address]), ())
    return owners.ports.get(str(parts.get(port)), ())
