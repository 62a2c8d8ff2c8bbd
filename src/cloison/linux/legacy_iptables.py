"""Reads the rules of legacy iptables from the kernel, with getsockopt(2), and evaluates their translations.

Input: the calling thread's network namespace. Output: `Translations`.
Rule: only tables that are loaded are read, because a request for another loads it. A rule is evaluated as one of
nftables: conditions that are not understood match every packet.

    struct ipt_entry {                          struct xt_entry_match {  /* and xt_entry_target */
        struct ipt_ip ip;  /* 84 bytes */           __u16 match_size;
        unsigned int nfcache;                       char name[XT_EXTENSION_MAXNAMELEN];  /* 29 bytes */
        __u16 target_offset, next_offset;           __u8 revision;
        unsigned int comefrom;                      unsigned char data[];
        struct xt_counters counters;            };
    };

Source: linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h, linux/netfilter/x_tables.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.linux import netfilter, xtables
from cloison.linux.translation import Conditions, Interval, Translation, Translations

OFFSETS: Final = {4: struct.Struct("=88x2H"), 6: struct.Struct("=140x2H")}
"""target_offset and next_offset of struct ipt_entry and struct ip6t_entry, by the version of IP."""
ENTRY_SIZE: Final = {4: 112, 6: 168}
XT_ENTRY: Final = struct.Struct("=H29sB")
IPT_IP: Final = struct.Struct("=4x4s4x4s64xHBB")
"""struct ipt_ip { struct in_addr src, dst, smsk, dmsk; …; __u16 proto; __u8 flags, invflags; };"""
IP6T_IP: Final = struct.Struct("=16x16s16x16s64xHBBB")
"""struct ip6t_ip6 { struct in6_addr src, dst, smsk, dmsk; …; __u16 proto; __u8 tos, flags, invflags; };"""
NF_DROP: Final = 0
ADDRESS_SIZE: Final = {4: 4, 6: 16}
CONDITIONS_SIZE: Final = {4: IPT_IP.size, 6: IP6T_IP.size}
IPT_INV_DSTIP, IPT_INV_PROTO = 0x10, 0x40
ERROR: Final = "ERROR"
"""The target of an entry that only names the chain behind it."""
STANDARD: Final = ""
OUTPUT: Final = "OUTPUT"
PROGRAMS: Final = {4: "iptables", 6: "ip6tables"}
MAX_STEPS: Final = 50_000
"""Rules to evaluate in one table; a larger one counts as not understood."""
TRANSLATING_TABLES: Final = frozenset({"nat", "mangle", "raw"})
"""Targets that translate are in these tables: DNAT and REDIRECT in nat, TPROXY in mangle, RAWDNAT in raw."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A match or a target with its structure."""

    name: str
    revision: int
    info: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule of a legacy table; `offset` is where it begins, and a jump has the offset of its destination."""

    offset: int
    end: int
    packets: Conditions
    matches: tuple[Extension, ...]
    target: Extension
    jump: int | None
    is_drop: bool
    has_destination: bool
    ends_chain: bool
    """Whether every packet gets a verdict here: the policy of a chain, or a rule without conditions."""


def translations() -> Translations:
    """Return the translations of the legacy tables. Raises OSError when the kernel refuses."""
    result = Translations()
    for version, program in PROGRAMS.items():
        for table in sorted(TRANSLATING_TABLES.intersection(netfilter.legacy_tables(version))):
            hooks, rules = netfilter.legacy_table(version, table)
            evaluator = Evaluator(entries(rules, version), version, f"the table {table} (legacy {program})", result)
            for name, offset in hooks.items():
                evaluator.evaluate(name, offset)
    return result


def entries(rules: bytes, version: int) -> dict[int, Entry]:
    """Return the rules of a table by their offset."""
    found, offset = {}, 0
    while offset < len(rules):
        entry = _entry(rules, offset, version)
        found[offset] = entry
        offset = entry.end
    return found


def chains(hooks: Mapping[str, int], rules: bytes, version: int) -> dict[str, list[tuple[str, bool]]]:
    """Return the rules of each chain: DROP, REJECT or the chain of the jump, and whether a destination is asked for."""
    found = entries(rules, version)
    names = {offset: name for name, offset in hooks.items()}
    names |= {entry.end: _chain_name(entry) for entry in found.values() if entry.target.name == ERROR}
    result: dict[str, list[tuple[str, bool]]] = {}
    name = ""
    for offset, entry in found.items():
        name = names.get(offset, name)
        if entry.target.name != ERROR:
            named = "REJECT" if entry.target.name == "REJECT" else names.get(entry.jump or -1, "")
            jump = "DROP" if entry.is_drop else named
            result.setdefault(name, []).append((jump, entry.has_destination))
    return result


def _chain_name(entry: Entry) -> str:
    return entry.target.info.split(b"\0")[0].decode(errors="replace")


def _entry(rules: bytes, offset: int, version: int) -> Entry:
    target_offset, next_offset = OFFSETS[version].unpack_from(rules, offset)
    matches = (*_extensions(rules, offset + ENTRY_SIZE[version], offset + target_offset),)
    target = next(_extensions(rules, offset + target_offset, offset + next_offset))
    verdict = struct.unpack_from("=i", target.info)[0] if target.name == STANDARD else -1
    packets = _packets(rules[offset:], version)
    is_unconditional = not matches and not any(rules[offset : offset + CONDITIONS_SIZE[version]])
    ends_chain = target.name == STANDARD and verdict < 0 and is_unconditional
    jump = verdict if verdict >= 0 else None
    is_drop = target.name == STANDARD and verdict == -NF_DROP - 1
    has_destination = any(rules[offset + (size := ADDRESS_SIZE[version]) : offset + 2 * size])
    return Entry(
        offset, offset + next_offset, packets, matches, target, jump, is_drop, has_destination, ends_chain=ends_chain
    )


def _extensions(rules: bytes, start: int, end: int) -> Iterator[Extension]:
    while start < end:
        size, name, revision = XT_ENTRY.unpack_from(rules, start)
        text = name.split(b"\0")[0].decode(errors="replace")
        yield Extension(text, revision, rules[start + XT_ENTRY.size : start + size])
        start += size


def _packets(entry: bytes, version: int) -> Conditions:
    """Return the conditions on destination address and protocol."""
    if version == 4:  # noqa: PLR2004
        destination, mask, protocol, _, inverted = IPT_IP.unpack_from(entry)
    else:
        destination, mask, protocol, _, _, inverted = IP6T_IP.unpack_from(entry)
    addresses = _subnet(destination, mask)
    return Conditions(
        frozenset({version}),
        ((protocol, protocol),) if protocol and not inverted & IPT_INV_PROTO else None,
        (addresses,) if addresses and not inverted & IPT_INV_DSTIP else None,
    )


def _subnet(destination: bytes, mask: bytes) -> Interval | None:
    """Return the addresses of a subnet, None where there is no mask, or one that is no prefix."""
    rest = (1 << 8 * len(mask)) - 1 - int.from_bytes(mask, "big")
    first = int.from_bytes(destination, "big")
    return None if rest & (rest + 1) or not any(mask) else (first, first | rest)


class Evaluator:
    """Evaluates the chains of one table into `result`."""

    def __init__(self, found: dict[int, Entry], version: int, table: str, result: Translations) -> None:
        self._entries = found
        self._version = version
        self._table = table
        self._result = result
        self._steps = 0
        self._is_output = False

    def evaluate(self, name: str, offset: int) -> None:
        """Evaluate a hook's chain, which begins at an offset."""
        self._steps, self._is_output = 0, name == OUTPUT
        try:
            self._chain(name, offset, Conditions(frozenset({self._version})))
        except xtables.NotUnderstood as error:
            self._not_understood(name, str(error))

    def _chain(self, name: str, offset: int, conditions: Conditions) -> None:
        while (entry := self._entries.get(offset)) and entry.target.name != ERROR:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise xtables.NotUnderstood(f"more than {MAX_STEPS} rules")
            packets = _narrowed(conditions, entry.packets, entry.matches)
            if packets:
                self._rule(name, entry, packets)
            if entry.ends_chain:
                return
            offset = entry.end

    def _rule(self, name: str, entry: Entry, packets: Conditions) -> None:
        if entry.jump is not None and entry.jump != entry.end:
            self._chain(name, entry.jump, packets)
        if entry.target.name == STANDARD:
            return
        extension = entry.target
        try:
            target = xtables.target(extension.name, extension.revision, extension.info, self._version)
        except xtables.NotUnderstood as error:
            self._not_understood(name, str(error))
            return
        if target:
            chain = f"{name} of {self._table}"
            self._result.found.append(Translation(packets, target, chain, is_output=self._is_output))

    def _not_understood(self, name: str, what: str) -> None:
        sentence = f"the chain {name} of {self._table} has {what}, which may redirect packets and is not understood"
        if sentence not in self._result.not_understood:
            self._result.not_understood.append(sentence)


def _narrowed(conditions: Conditions, packets: Conditions, matches: Sequence[Extension]) -> Conditions | None:
    """Return the conditions of packets that pass a rule's own conditions, too; None if there are none."""
    result: Conditions | None = conditions
    if packets.protocols is not None:
        result = result and result.with_protocols(packets.protocols)
    if packets.addresses is not None:
        result = result and result.with_addresses(packets.addresses)
    for match in matches:
        result = result and xtables.narrowed(result, match.name, match.revision, match.info)
    return result
