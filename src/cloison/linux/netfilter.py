"""Reads the policies of netfilter chains from the kernel: nf_tables over netlink, legacy iptables by getsockopt(2).

Output: DROP or ACCEPT for the FORWARD chain, and the other chains whose policy is DROP. No iptables program is needed.
Rule: a packet passes the FORWARD chains of both backends, so the policy is DROP if one of them says DROP.
Source: linux/netfilter.h, linux/netfilter/x_tables.h, linux/netfilter_ipv4/ip_tables.h.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cloison.linux import pyroute
from cloison.linux.netns import LIBC
from cloison.linux.pyroute import NetlinkError

TABLE: Final = "filter"
CHAIN: Final = "FORWARD"
VERDICTS: Final = {0: "DROP", 1: "ACCEPT"}
"""NF_DROP and NF_ACCEPT of linux/netfilter.h."""
FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
LEVELS: Final = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
LEGACY_TABLES: Final = {
    4: Path("/proc/thread-self/net/ip_tables_names"),
    6: Path("/proc/thread-self/net/ip6_tables_names"),
}
IPT_SO_GET_INFO: Final = 64
IPT_SO_GET_ENTRIES: Final = 65
"""Options of getsockopt(2) on a raw socket, at the level IPPROTO_IP or IPPROTO_IPV6."""
IPT_GETINFO: Final = struct.Struct("32sI5I5III")
"""struct ipt_getinfo {
       char name[XT_TABLE_MAXNAMELEN];
       unsigned int valid_hooks, hook_entry[NF_INET_NUMHOOKS], underflow[NF_INET_NUMHOOKS], num_entries, size;
   };"""
ENTRIES_INDEX, UNDERFLOWS_INDEX = 2, 7
"""The indexes of `hook_entry` and `underflow`: the offset of each hook's first rule, and of its policy."""
HOOKS: Final = ("PREROUTING", "INPUT", CHAIN, "OUTPUT", "POSTROUTING")
"""NF_INET_PRE_ROUTING and the following, by number; a legacy table has one chain for each, of that name."""
FAMILY_NAMES: Final = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
"""The families of tables, NFPROTO_*, by the name that nft(8) gives them."""
IPT_GET_ENTRIES: Final = struct.Struct("32sI4x")
"""struct ipt_get_entries { char name[XT_TABLE_MAXNAMELEN]; unsigned int size; struct ipt_entry entrytable[]; };

The entries are aligned to eight bytes."""
VERDICT_OFFSET: Final = {4: 112 + 32, 6: 168 + 32}
"""Bytes of a policy's entry before its verdict: struct ipt_entry or ip6t_entry, then struct xt_entry_target."""


def forward_policy(version: int) -> str:
    """Return the policy of the FORWARD chain for an IP version, DROP or ACCEPT, empty if it cannot be read.

    A missing chain means ACCEPT.
    """
    try:
        found = {*_nft(version), *_legacy(version)}
    except (OSError, NetlinkError):
        return ""
    return "DROP" if "DROP" in found else "ACCEPT"


def other_drop_chains() -> list[str]:
    """Return the base chains whose policy is DROP, as texts, without the FORWARD chains of `filter`.

    An administrator looks at FORWARD first; these chains are easy to overlook. Empty if they cannot be read.
    """
    try:
        legacy = ((table, chain, f"legacy {program}") for chain, table, program in _legacy_drops())
        return sorted({f"{chain} of the table {table} ({where})" for table, chain, where in (*_nft_drops(), *legacy)})
    except (OSError, NetlinkError):
        return []


def _nft_drops() -> Iterator[tuple[str, str, str]]:
    for family, table, chain, verdict in _nft_policies(socket.AF_UNSPEC):
        if verdict == "DROP" and (table, chain) != (TABLE, CHAIN):
            yield table, chain, FAMILY_NAMES.get(family, str(family))


def _legacy_drops() -> Iterator[tuple[str, str, str]]:
    for version, program in ((4, "iptables"), (6, "ip6tables")):
        for table in legacy_tables(version):
            for chain, verdict in _legacy_policies(version, table):
                if verdict == "DROP" and (table, chain) != (TABLE, CHAIN):
                    yield chain, table, program


def _nft(version: int) -> Iterator[str]:
    for _, table, chain, verdict in _nft_policies(FAMILIES[version]):
        if (table, chain) == (TABLE, CHAIN):
            yield verdict


def _nft_policies(family: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield family, table, name and policy of the base chains: those that are attached to a hook."""
    try:
        with pyroute.nftables(family) as nftables:
            chains = list(nftables.get_chains())
    except OSError:  # a kernel without nf_tables has no NETLINK_NETFILTER socket
        return
    for chain in chains:
        if (policy := chain.get_attr("NFTA_CHAIN_POLICY")) is not None:
            name = chain.get_attr("NFTA_CHAIN_NAME")
            yield chain["nfgen_family"], chain.get_attr("NFTA_CHAIN_TABLE"), name, VERDICTS[policy]


def _legacy(version: int) -> Iterator[str]:
    if TABLE in legacy_tables(version):
        yield dict(_legacy_policies(version, TABLE))[CHAIN]


def legacy_tables(version: int) -> list[str]:
    """Return the legacy tables that exist: IPT_SO_GET_INFO creates a missing one, of which iptables-nft then warns."""
    names = LEGACY_TABLES[version]
    return names.read_text().split() if names.exists() else []


def _legacy_policies(version: int, table: str) -> Iterator[tuple[str, str]]:
    info, rules = _legacy_rules(version, table)
    for number, chain in _legacy_hooks(info):
        (verdict,) = struct.unpack_from("i", rules, info[UNDERFLOWS_INDEX + number] + VERDICT_OFFSET[version])
        yield chain, VERDICTS[-verdict - 1]


def legacy_table(version: int, table: str) -> tuple[dict[str, int], bytes]:
    """Return the offset of each built-in chain of a loaded table, and its rules.

    Raises OSError when the kernel refuses.
    """
    info, rules = _legacy_rules(version, table)
    return {chain: info[ENTRIES_INDEX + number] for number, chain in _legacy_hooks(info)}, rules


def _legacy_hooks(info: Sequence[int]) -> Iterator[tuple[int, str]]:
    return ((number, chain) for number, chain in enumerate(HOOKS) if info[1] & 1 << number)


def _legacy_rules(version: int, table: str) -> tuple[tuple[Any, ...], bytes]:
    """Return the members of struct ipt_getinfo, and the rules."""
    with socket.socket(FAMILIES[version], socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        name = table.encode()
        info = IPT_GETINFO.unpack(
            _getsockopt(sock, LEVELS[version], IPT_SO_GET_INFO, name.ljust(IPT_GETINFO.size, b"\0"))
        )
        size = info[-1]
        rules = _getsockopt(sock, LEVELS[version], IPT_SO_GET_ENTRIES, IPT_GET_ENTRIES.pack(name, size) + bytes(size))
    return info, rules[IPT_GET_ENTRIES.size :]


def _getsockopt(sock: socket.socket, level: int, option: int, request: bytes) -> bytes:
    """Return the answer of getsockopt(2) to a request in its buffer, which `socket.getsockopt` cannot pass."""
    buffer = ctypes.create_string_buffer(request, len(request))
    length = ctypes.c_uint32(len(request))
    if LIBC.getsockopt(sock.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, "getsockopt cannot read the legacy iptables table")
    return buffer.raw
