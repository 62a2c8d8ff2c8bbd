"""Reads the firewall rules of a network namespace, to compare them later: nf_tables over netlink, legacy iptables.

Output: the rules of the calling thread's namespace, each with the interfaces and addresses that it names. Counters are
left out, because every packet changes them. No program is started.
Rule: what cannot be read is an OSError, never an empty ruleset; a kernel without nf_tables has no rules of it.
Source: linux/netfilter/nf_tables.h, linux/netfilter/x_tables.h, linux/netfilter_ipv4/ip_tables.h.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cloison.linux import netfilter, netlink
from cloison.linux.netns import LIBC

NETLINK_NETFILTER: Final = 12
NFT_MSG_GETRULE: Final = 10 << 8 | 7
"""NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE."""
NFGENMSG: Final = struct.Struct("=BBH")
"""struct nfgenmsg { __u8 nfgen_family; __u8 version; __be16 res_id; }"""
NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS = 1, 2, 4
NFTA_EXPR_NAME, NFTA_EXPR_DATA = 1, 2
NFTA_CMP_DATA, NFTA_DATA_VALUE = 3, 1
NFTA_META_KEY, NFTA_PAYLOAD_BASE = 2, 2
INTERFACE_KEYS: Final = (bytes([0, 0, 0, 6]), bytes([0, 0, 0, 7]))
"""NFT_META_IIFNAME and NFT_META_OIFNAME."""
NETWORK_HEADER: Final = bytes([0, 0, 0, 1])
"""NFT_PAYLOAD_NETWORK_HEADER."""
ADDRESS_SIZES: Final = {4: socket.AF_INET, 16: socket.AF_INET6}
NO_NFTABLES: Final = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
IPT_ENTRY: Final = {4: (112, 88, 96), 6: (168, 140, 152)}
"""sizeof(struct ipt_entry), the offsets of `target_offset` and of `counters`; and those of struct ip6t_entry."""
COUNTERS_SIZE: Final = 16
IPT_IP: Final = {4: struct.Struct("4s4s4s4s16s16s"), 6: struct.Struct("16s16s16s16s16s16s")}
"""The beginning of struct ipt_ip and ip6t_ip: source, destination, their masks, incoming and outgoing interface."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: `where` is its table and chain, `names` are the interfaces and addresses that it compares with."""

    where: str
    names: frozenset[str]
    body: bytes


def rules() -> frozenset[Rule]:
    """Return the rules of the calling thread's namespace.

    Raises OSError if they cannot be read.
    """
    return frozenset((*_nft_rules(), *_legacy_rules(4), *_legacy_rules(6)))


def _nft_rules() -> Iterator[Rule]:
    try:
        with netlink.nl_socket(NETLINK_NETFILTER) as sock:
            found = netlink.dump(sock, NFT_MSG_GETRULE, NFGENMSG.pack(socket.AF_UNSPEC, 0, 0))
    except OSError as error:
        if error.errno in NO_NFTABLES:
            return
        raise
    for _, body in found:
        yield _nft_rule(body)


def _nft_rule(body: memoryview) -> Rule:
    members = dict(netlink.attributes(body, NFGENMSG.size))
    table, chain = (_text(members.get(kind)) for kind in (NFTA_RULE_TABLE, NFTA_RULE_CHAIN))
    names, parts, loaded = set[str](), list[bytes](), ""
    for _, element in netlink.attributes(members.get(NFTA_RULE_EXPRESSIONS, memoryview(b"")), 0):
        expression = dict(netlink.attributes(element, 0))
        kind = _text(expression.get(NFTA_EXPR_NAME))
        if kind == "counter":
            continue
        parts.append(bytes(element))
        data = dict(netlink.attributes(expression.get(NFTA_EXPR_DATA, memoryview(b"")), 0))
        if kind == "cmp":
            names |= _name_of_comparison(loaded, data.get(NFTA_CMP_DATA, memoryview(b"")))
        loaded = _loaded(kind, data)
    return Rule(f"nftables, table {table}, chain {chain}", frozenset(names), bytes([body[0]]) + b"".join(parts))


def _loaded(kind: str, data: Mapping[int, memoryview]) -> str:
    """Return what an expression loads into a register: "interface", "address" or nothing of these."""
    if kind == "meta" and bytes(data.get(NFTA_META_KEY, b"")) in INTERFACE_KEYS:
        return "interface"
    return "address" if kind == "payload" and bytes(data.get(NFTA_PAYLOAD_BASE, b"")) == NETWORK_HEADER else ""


def _name_of_comparison(loaded: str, data: memoryview) -> set[str]:
    """Return the address or the interface with which an expression compares, nothing for other values."""
    value = bytes(dict(netlink.attributes(data, 0)).get(NFTA_DATA_VALUE, b""))
    if loaded == "interface":
        return {_text(memoryview(value))}
    family = ADDRESS_SIZES.get(len(value))
    return {socket.inet_ntop(family, value)} if loaded == "address" and family else set()


def _text(value: memoryview | None) -> str:
    return bytes(value or b"").rstrip(b"\0").decode(errors="replace")


def _legacy_rules(version: int) -> Iterator[Rule]:
    names = netfilter.LEGACY_TABLES[version]
    for table in names.read_text().split() if names.exists() else ():
        entries = _entries(version, table)
        at, size = 0, len(entries)
        while at < size:
            entry = entries[at : at + struct.unpack_from("=H", entries, at + IPT_ENTRY[version][1] + 2)[0]]
            yield _legacy_rule(version, f"legacy iptables, table {table}", entry)
            at += len(entry)


def _legacy_rule(version: int, where: str, entry: bytes) -> Rule:
    counters = IPT_ENTRY[version][2]
    source, target, source_mask, target_mask, *links = IPT_IP[version].unpack_from(entry)
    family = netfilter.FAMILIES[version]
    addresses = {
        socket.inet_ntop(family, address)
        for address, mask in ((source, source_mask), (target, target_mask))
        if any(mask)
    }
    names = {link.rstrip(b"\0").decode(errors="replace") for link in links} - {""}
    return Rule(where, frozenset(addresses | names), entry[:counters] + entry[counters + COUNTERS_SIZE :])


def _entries(version: int, table: str) -> bytes:
    """Return the entries of a legacy table: its struct ipt_entry, one after the other."""
    name = table.encode()
    with socket.socket(netfilter.FAMILIES[version], socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        info = name.ljust(netfilter.IPT_GETINFO.size, b"\0")
        size = netfilter.IPT_GETINFO.unpack(_getsockopt(sock, version, netfilter.IPT_SO_GET_INFO, info))[-1]
        request = netfilter.IPT_GET_ENTRIES.pack(name, size) + bytes(size)
        answer = _getsockopt(sock, version, netfilter.IPT_SO_GET_ENTRIES, request)
    return answer[netfilter.IPT_GET_ENTRIES.size :]


def _getsockopt(sock: socket.socket, version: int, option: int, request: bytes) -> bytes:
    """Return the answer of getsockopt(2) to a request in its buffer, which `socket.getsockopt` cannot pass."""
    buffer = ctypes.create_string_buffer(request, len(request))
    length = ctypes.c_uint32(len(request))
    if LIBC.getsockopt(sock.fileno(), netfilter.LEVELS[version], option, buffer, ctypes.byref(length)) != 0:
        raise OSError(ctypes.get_errno(), "getsockopt cannot read the legacy iptables table")
    return buffer.raw
