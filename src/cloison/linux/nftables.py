"""Reads nftables from the kernel over nfnetlink: tables, chains, rules with their expressions, sets and maps.

Input: the calling thread's network namespace. Output: a `Ruleset`, whose sets are read when they are asked for.
Rule: an expression is a name with undecoded attributes, so an expression that a later kernel adds is read, too, and its
reader decides what it means. No program is started. Reading needs CAP_NET_ADMIN in the namespace.
Every integer of nf_tables is big-endian, and each message begins with

    struct nfgenmsg { __u8 nfgen_family; __u8 version; __be16 res_id; };

Source: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.linux import netlink

NETLINK_NETFILTER: Final = 12
NFNL_SUBSYS_NFTABLES: Final = 10 << 8
NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETSETELEM = 1, 4, 7, 10, 13
NFGENMSG_SIZE: Final = 4
NO_NFTABLES: Final = frozenset({errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP, errno.EAFNOSUPPORT})
"""The errors of a kernel without nfnetlink, and of nfnetlink without nf_tables."""
FAMILY_NAMES: Final = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
"""NFPROTO_*, by the names of nft(8)."""
NFT_TABLE_F_DORMANT: Final = 1
"""The base chains of a dormant table are attached to no hook."""
NFT_SET_INTERVAL, NFT_SET_EVAL = 0x4, 0x20
"""Elements are the ends of intervals; packets may add elements."""
NFT_SET_ELEM_INTERVAL_END, NFT_SET_ELEM_CATCHALL = 1, 2
Attributes = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a rule: its name, and its attributes by their number in linux/netfilter/nf_tables.h."""

    name: str
    attributes: Attributes

    def number(self, kind: int) -> int:
        """Return an integer attribute, 0 without it."""
        return int.from_bytes(self.attributes.get(kind, b""), "big")

    def text(self, kind: int) -> str:
        """Return a text attribute, empty without it."""
        return _text(self.attributes.get(kind, b""))

    def data(self, kind: int) -> Data:
        """Return a value or a verdict."""
        return decode_data(self.attributes.get(kind, b""))


@dataclass(frozen=True, slots=True)
class Data:
    """A constant: bytes, or a verdict with its code (NF_* or NFT_*) and the chain of a jump."""

    value: bytes = b""
    verdict: int | None = None
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a set: the keys from `low` to `high` (empty: every key), and what a map has for them."""

    low: bytes
    high: bytes
    data: Data = Data()


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules; `kind` and `hook` (NF_INET_*) are empty and None in a chain that only jumps reach."""

    family: int
    table: str
    name: str
    kind: str = ""
    hook: int | None = None
    rules: tuple[tuple[Expression, ...], ...] = ()

    @property
    def sentence(self) -> str:
        """Return the chain as a report names it."""
        return f"{self.name} of the table {self.table} ({FAMILY_NAMES.get(self.family, self.family)})"


@dataclass(frozen=True, slots=True)
class Set:
    """A set or a map: its flags and its elements."""

    flags: int
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The chains of a namespace, dormant tables left out; `set_of` reads a set by family, table and name."""

    chains: tuple[Chain, ...]
    set_of: Callable[[int, str, str], Set]


def read() -> Ruleset:
    """Return the rules of the calling thread's namespace, none on a kernel without nf_tables.

    The sets are read from the namespace that is the thread's when they are asked for.
    Raises OSError when the kernel refuses.
    """
    try:
        with netlink.nl_socket(NETLINK_NETFILTER) as sock:
            tables = [*_dump(sock, NFT_MSG_GETTABLE)]
            chains = decode_chains(_dump(sock, NFT_MSG_GETCHAIN), _dump(sock, NFT_MSG_GETRULE)) if tables else ()
    except OSError as error:
        if error.errno in NO_NFTABLES:
            return Ruleset((), read_set)
        raise
    dormant = {(family, _text(found[1])) for family, found in tables if _number(found.get(2)) & NFT_TABLE_F_DORMANT}
    return Ruleset(tuple(c for c in chains if (c.family, c.table) not in dormant), read_set)


def has_table(name: str) -> bool:
    """Whether the calling thread's namespace has a table of a name, in any family.

    Raises OSError when the kernel refuses.
    """
    try:
        with netlink.nl_socket(NETLINK_NETFILTER) as sock:
            return any(_text(found[1]) == name for _, found in _dump(sock, NFT_MSG_GETTABLE))
    except OSError as error:
        if error.errno in NO_NFTABLES:
            return False
        raise


def read_set(family: int, table: str, name: str) -> Set:
    """Return a set of the calling thread's namespace.

    Raises OSError when the kernel refuses.
    """
    of_table = _padded(netlink.attribute(1, table.encode() + b"\0"))
    of_set = of_table + _padded(netlink.attribute(2, name.encode() + b"\0"))
    with netlink.nl_socket(NETLINK_NETFILTER) as sock:
        sets = [found for _, found in _dump(sock, NFT_MSG_GETSET, family, of_table) if _text(found[2]) == name]
        lists = [found.get(3, b"") for _, found in _dump(sock, NFT_MSG_GETSETELEM, family, of_set)]
    flags = _number(sets[0].get(3))
    return Set(flags, decode_elements(lists, flags))


def decode_chains(
    chains: Iterator[tuple[int, Attributes]], rules: Iterator[tuple[int, Attributes]]
) -> tuple[Chain, ...]:
    """Return the chains of NFT_MSG_NEWCHAIN messages with the rules of NFT_MSG_NEWRULE messages, in their order."""
    held: dict[tuple[int, str, str], list[tuple[Expression, ...]]] = {}
    for family, found in rules:
        held.setdefault((family, _text(found[1]), _text(found[2])), []).append((*_expressions(found.get(4, b"")),))
    return tuple(_chain(family, found, held) for family, found in chains)


def _chain(
    family: int, found: Attributes, held: Mapping[tuple[int, str, str], Sequence[tuple[Expression, ...]]]
) -> Chain:
    table, name = _text(found[1]), _text(found[3])
    hook = _number(dict(_nested(found[4]))[1]) if 4 in found else None  # noqa: PLR2004  # NFTA_CHAIN_HOOK
    return Chain(family, table, name, _text(found.get(7, b"")), hook, tuple(held.get((family, table, name), ())))


def _expressions(body: bytes) -> Iterator[Expression]:
    for _, item in _nested(body):
        found = dict(_nested(item))
        yield Expression(_text(found[1]), dict(_nested(found.get(2, b""))))


def decode_elements(lists: Sequence[bytes], flags: int) -> tuple[Element, ...]:
    """Return the elements of a set from the lists in NFT_MSG_NEWSETELEM messages.

    An interval has two elements, of which the second one has the flag NFT_SET_ELEM_INTERVAL_END and the first key
    behind the interval; a concatenation of intervals has both ends in one element.
    """
    found = [dict(_nested(item)) for body in lists for _, item in _nested(body)]
    closed, bounds = [], []
    for item in found:
        key, element_flags = decode_data(item.get(1, b"")).value, _number(item.get(3))
        data = decode_data(item.get(2, b""))
        if element_flags & NFT_SET_ELEM_CATCHALL:
            closed.append(Element(b"", b"", data))
        elif 10 in item or not flags & NFT_SET_INTERVAL:  # noqa: PLR2004  # NFTA_SET_ELEM_KEY_END
            closed.append(Element(key, decode_data(item[10]).value if 10 in item else key, data))  # noqa: PLR2004
        else:
            bounds.append((key, not element_flags & NFT_SET_ELEM_INTERVAL_END, data))
    return (*closed, *_intervals(sorted(bounds, key=lambda bound: bound[:2])))


def _intervals(bounds: Sequence[tuple[bytes, bool, Data]]) -> Iterator[Element]:
    for position, (low, starts, data) in enumerate(bounds, 1):
        if starts:
            end = int.from_bytes(bounds[position][0], "big") - 1 if position < len(bounds) else (1 << 8 * len(low)) - 1
            yield Element(low, end.to_bytes(len(low), "big"), data)


def decode_data(body: bytes) -> Data:
    """Return the constant in nested NFTA_DATA_* attributes."""
    found = dict(_nested(body))
    if 2 in found:  # noqa: PLR2004  # NFTA_DATA_VERDICT
        verdict = dict(_nested(found[2]))
        return Data(verdict=int.from_bytes(verdict[1], "big", signed=True), chain=_text(verdict.get(2, b"")))
    return Data(found.get(1, b""))


def _dump(
    sock: socket.socket, kind: int, family: int = socket.AF_UNSPEC, body: bytes = b""
) -> Iterator[tuple[int, Attributes]]:
    """Yield the family and the attributes of each message of a dump."""
    for _, content in netlink.dump(sock, NFNL_SUBSYS_NFTABLES | kind, bytes([family, 0, 0, 0]) + body):
        yield content[0], {number: bytes(value) for number, value in netlink.attributes(content, NFGENMSG_SIZE)}


def _nested(body: bytes) -> Iterator[tuple[int, bytes]]:
    return ((kind, bytes(value)) for kind, value in netlink.attributes(memoryview(body), 0))


def _padded(attribute: bytes) -> bytes:
    return attribute.ljust(len(attribute) + 3 & ~3, b"\0")


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
