"""Evaluates nftables rules for one packet, and names the chain that drops it.

Input: a `Ruleset`, a hook and a packet of a new connection. Output: the chain whose rule drops it for certain.
Rule: three values. A rule whose conditions are not all understood may match or not, so if it has a verdict, the rest of
its base chain is unknown. The policies of chains are not evaluated: `netfilter.other_drop_chains` names those.
Source: linux/netfilter/nf_tables.h, linux/netfilter/xt_conntrack.h, linux/netfilter/xt_tcpudp.h. Sets of more than 4096
elements are not read.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cloison.linux.nft_evaluation import MAX_ELEMENTS, NFT_GOTO, NFT_JUMP
from cloison.linux.nftables import Chain, Data, Expression, Ruleset

INET: Final = 1
FAMILIES: Final = {4: (INET, 2), 6: (INET, 10)}
"""The families whose chains a packet passes: inet, and ip or ip6."""
ADDRESS_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
ADDRESS_OFFSETS: Final = {4: (12, 16, 4), 6: (8, 24, 16)}
"""The offsets of source and destination in the header of IP, and their size."""
PROTOCOL_OFFSETS: Final = {4: 9, 6: 6}
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
META_PROTOCOL, META_IIFNAME, META_OIFNAME, META_NFPROTO, META_L4PROTO = 1, 6, 7, 15, 16
ETHERTYPES: Final = {4: b"\x08\x00", 6: b"\x86\xdd"}
NFPROTO: Final = {4: b"\x02", 6: b"\x0a"}
CT_STATE: Final = 0
STATE_NEW: Final = 8
"""NF_CT_STATE_BIT(IP_CT_NEW), and XT_CONNTRACK_STATE_BIT of it."""
NF_DROP, NF_ACCEPT = 0, 1
FORWARD: Final = 2
"""NF_INET_FORWARD."""
XT_CONNTRACK: Final = struct.Struct("=146x4H")
"""struct xt_conntrack_mtinfo3 { …; __u16 match_flags, invert_flags, state_mask, status_mask; … }"""
XT_CONNTRACK_STATE: Final = 1
OTHER_STATES: Final = ~0b1111
"""The bits of SNAT, DNAT and UNTRACKED, which depend on the connection."""
IFNAMSIZ: Final = 16
WORD: Final = 4
NEUTRAL: Final = frozenset({"counter", "log", "last"})
"""Expressions that every packet passes."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection at a hook; `in_link` and `out_link` are the interfaces, empty if unknown."""

    version: int
    protocol: int
    source: str
    destination: str
    port: int
    in_link: str
    out_link: str

    def load(self, expression: Expression) -> bytes | None:
        """Return what an expression loads, None where that is not known."""
        if expression.name == "meta":
            return self._meta(expression.number(2))
        if expression.name == "ct" and expression.number(2) == CT_STATE:
            return struct.pack("=I", STATE_NEW)
        if expression.name == "payload":
            return self._header(expression.number(2), expression.number(3), expression.number(4))
        return None

    def _meta(self, key: int) -> bytes | None:
        links = {META_IIFNAME: self.in_link, META_OIFNAME: self.out_link}
        if links.get(key):
            return links[key].encode().ljust(IFNAMSIZ, b"\0")
        known = {
            META_NFPROTO: NFPROTO[self.version],
            META_PROTOCOL: ETHERTYPES[self.version],
            META_L4PROTO: bytes([self.protocol]),
        }
        return known.get(key)

    def _header(self, base: int, offset: int, length: int) -> bytes | None:
        if base == TRANSPORT_HEADER:
            return self.port.to_bytes(2, "big") if (offset, length) == (2, 2) else None
        source, destination, size = ADDRESS_OFFSETS[self.version]
        held = {source: self.source, destination: self.destination}
        if base != NETWORK_HEADER:
            return None
        if (offset, length) == (PROTOCOL_OFFSETS[self.version], 1):
            return bytes([self.protocol])
        # A prefix of whole bytes is loaded without the others: 172.18.0.0/16 is two bytes.
        return _packed(self.version, held[offset])[:length] if offset in held and length <= size else None


def _packed(version: int, address: str) -> bytes:
    return socket.inet_pton(ADDRESS_FAMILIES[version], address)


class Fate(Enum):
    """What a chain does with a packet."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    CONTINUED = "continued"
    UNKNOWN = "unknown"


Outcome = tuple[Fate, str]
"""The fate, and the chain that decided it."""
CONTINUED: Final = (Fate.CONTINUED, "")
UNKNOWN: Final = (Fate.UNKNOWN, "")
RETURNED: Final = "returned"
"""In the place of a chain: the rest of the chain that the packet is in is left out."""
NFT_CONTINUE: Final = -1
LOADS: Final = frozenset({"meta", "payload", "ct"})
Registers = dict[int, bytes]


def dropping_chain(ruleset: Ruleset, packet: Packet, hook: int = FORWARD) -> str:
    """Return the chain that drops a packet at a hook for certain, as a report names it; empty if none is known to.

    A packet passes every base chain of a hook, so one that drops it is enough.
    """
    evaluation = Evaluation(ruleset, packet)
    for chain in ruleset.chains:
        if chain.hook == hook and chain.family in FAMILIES[packet.version] and chain.kind == "filter":
            fate, name = evaluation.chain(chain)
            if fate is Fate.DROPPED:
                return name
    return ""


class Evaluation:
    """The evaluation of a packet."""

    def __init__(self, ruleset: Ruleset, packet: Packet) -> None:
        self._ruleset = ruleset
        self._packet = packet
        self._chains = {(chain.family, chain.table, chain.name): chain for chain in ruleset.chains}

    def chain(self, chain: Chain) -> Outcome:
        """Return what a chain does with the packet."""
        for rule in chain.rules:
            outcome = self._rule(chain, rule)
            if outcome == (Fate.CONTINUED, RETURNED):
                return CONTINUED
            if outcome[0] is not Fate.CONTINUED:
                return outcome
        return CONTINUED

    def _rule(self, chain: Chain, rule: tuple[Expression, ...]) -> Outcome:
        registers: Registers = {}
        is_certain = True
        for expression in rule:
            verdict = self._verdict(chain, expression, registers)
            if verdict is not None:
                return self._end(chain, verdict, is_certain=is_certain)
            matches = self._matches(chain, expression, registers)
            if matches is False:
                return CONTINUED
            is_certain = is_certain and matches is True
        return CONTINUED

    def _verdict(self, chain: Chain, expression: Expression, registers: Registers) -> Data | None:
        """Return the verdict of an expression, None for one without; a map whose answer is not known has code None."""
        if expression.name == "reject" or (expression.name == "target" and expression.text(1) == "REJECT"):
            return Data(verdict=NF_DROP)
        if expression.name == "immediate" and expression.data(2).verdict is not None:
            return expression.data(2)
        if expression.name == "lookup" and 3 in expression.attributes:  # noqa: PLR2004  # NFTA_LOOKUP_DREG
            return self._mapped(chain, expression, registers)
        return None

    def _end(self, chain: Chain, data: Data, *, is_certain: bool) -> Outcome:
        """Return the outcome of a rule with a verdict."""
        outcome = self._outcome(chain, data) if data.verdict is not None else UNKNOWN
        return outcome if is_certain or outcome == CONTINUED else UNKNOWN

    def _outcome(self, chain: Chain, data: Data) -> Outcome:
        if data.verdict == NFT_CONTINUE:
            return CONTINUED
        if data.verdict in (NFT_JUMP, NFT_GOTO):
            target = self._chains.get((chain.family, chain.table, data.chain))
            outcome = self.chain(target) if target else UNKNOWN
            is_end = data.verdict == NFT_GOTO and outcome == CONTINUED
            return (Fate.CONTINUED, RETURNED) if is_end else outcome
        fates = {NF_DROP: (Fate.DROPPED, chain.sentence), NF_ACCEPT: (Fate.ACCEPTED, chain.sentence)}
        return fates.get(data.verdict or 0, (Fate.CONTINUED, RETURNED))

    def _mapped(self, chain: Chain, expression: Expression, registers: Registers) -> Data:
        """Return the verdict that a verdict map has for the packet, without a code where that is not known."""
        held = self._ruleset.set_of(chain.family, chain.table, expression.text(1))
        for element in held.elements:
            key = _read(registers, expression.number(2), len(element.low))
            if key is None:
                return Data()
            if element.low <= key <= element.high:
                return element.data
        return Data(verdict=NFT_CONTINUE)

    def _matches(self, chain: Chain, expression: Expression, registers: Registers) -> bool | None:
        """Whether the packet passes an expression, None where that is not known."""
        if expression.name in LOADS:
            _store(registers, expression.number(1), self._packet.load(expression))
            return True if expression.number(1) else None
        if expression.name == "bitwise":
            _store(registers, expression.number(2), _masked(registers, expression))
            return True
        if expression.name in ("cmp", "range"):
            return (_compared if expression.name == "cmp" else _is_in_range)(registers, expression)
        if expression.name == "lookup":
            return self._is_in_set(chain, expression, registers)
        if expression.name == "match":
            return _extension(expression, self._packet)
        return True if expression.name in NEUTRAL or _is_harmless(expression) else None

    def _is_in_set(self, chain: Chain, expression: Expression, registers: Registers) -> bool | None:
        held = self._ruleset.set_of(chain.family, chain.table, expression.text(1))
        if len(held.elements) > MAX_ELEMENTS:
            return None
        is_inverted = bool(expression.number(5) & 1)
        for element in held.elements:
            key = _read(registers, expression.number(2), len(element.low))
            if key is None:
                return None
            if element.low <= key <= element.high:
                return not is_inverted
        return is_inverted


COMPARISONS: Final = {
    0: lambda held, value: held == value,
    1: lambda held, value: held != value,
    2: lambda held, value: held < value,
    3: lambda held, value: held <= value,
    4: lambda held, value: held > value,
    5: lambda held, value: held >= value,
}
"""NFT_CMP_EQ and the following, by number."""


def _is_harmless(expression: Expression) -> bool:
    """Whether an expression is a target of iptables that only writes a log line."""
    return expression.name == "target" and expression.text(1) in ("LOG", "NFLOG")


def _extension(expression: Expression, packet: Packet) -> bool | None:
    """Whether the packet passes a match of iptables-nft, None where that is not known."""
    name, info = expression.text(1), expression.attributes.get(3, b"")
    if name == "comment":
        return True
    if name == "conntrack" and len(info) >= XT_CONNTRACK.size:
        matched, inverted, states, _ = XT_CONNTRACK.unpack_from(info)
        if matched == XT_CONNTRACK_STATE and not states & OTHER_STATES:
            return bool(states & STATE_NEW) != bool(inverted & XT_CONNTRACK_STATE)
    if name in ("tcp", "udp") and len(info) >= XT_PORTS.size and not any(info[XT_PORTS.size :]):
        first_source, last_source, first, last = XT_PORTS.unpack_from(info)
        return first <= packet.port <= last if (first_source, last_source) == (0, MAX_PORT) else None
    return None


XT_PORTS: Final = struct.Struct("=4H")
"""struct xt_tcp and struct xt_udp { __u16 spts[2], dpts[2]; …; __u8 invflags; }"""
MAX_PORT: Final = 65535


def _words(data: bytes) -> Iterator[bytes]:
    return (data[at : at + WORD] for at in range(0, len(data), WORD))


def _index(register: int) -> int:
    """Return the number of a register of four bytes; the old register n is four of them."""
    return register - 8 if register >= 8 else 4 * (register - 1)  # noqa: PLR2004  # NFT_REG32_00


def _store(registers: Registers, register: int, value: bytes | None) -> None:
    at = _index(register)
    for number in range(WORD):  # what is not known must not look like an older value
        registers.pop(at + number, None)
    registers |= {at + number: word for number, word in enumerate(_words(value or b""))}


def _read(registers: Mapping[int, bytes], register: int, length: int) -> bytes | None:
    """Return so many bytes of a register and the following ones, None where they are not known."""
    at = _index(register)
    words = [registers.get(at + number) for number in range((length + WORD - 1) // WORD)]
    found = b"".join(word.ljust(WORD, b"\0") if len(words) > 1 else word for word in words if word is not None)
    return found[:length] if None not in words and len(found) >= length else None


def _masked(registers: Registers, expression: Expression) -> bytes | None:
    mask, xor, length = expression.data(4).value, expression.data(5).value, expression.number(3)
    held = _read(registers, expression.number(1), length)
    if held is None or expression.number(6) or len(mask) != length or len(xor) != length:
        return None
    return bytes(value & kept ^ flipped for value, kept, flipped in zip(held, mask, xor, strict=True))


def _compared(registers: Registers, expression: Expression) -> bool | None:
    value = expression.data(3).value
    held = _read(registers, expression.number(1), len(value))
    return None if held is None else bool(COMPARISONS[expression.number(2)](held, value))


def _is_in_range(registers: Registers, expression: Expression) -> bool | None:
    """Whether a register is in an interval, or with NFT_RANGE_NEQ outside it."""
    low, high = expression.data(3).value, expression.data(4).value
    held = _read(registers, expression.number(1), len(low))
    return None if held is None else (low <= held <= high) != bool(expression.number(2))
