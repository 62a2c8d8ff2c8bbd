"""Reads the policies of the host's chains from the kernel, so that no program has to be there for it.

Rule: a packet passes the FORWARD chain of both backends of iptables, nft's and the legacy one, so one DROP is a DROP.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pyroute2.netlink.exceptions import NetlinkError

from cloison.linux import pyroute
from cloison.linux.netns import LIBC

TABLE: Final = "filter"
CHAIN: Final = "FORWARD"
VERDICTS: Final = {0: "DROP", 1: "ACCEPT"}
"""How the kernel numbers what becomes of a packet (linux/netfilter.h)."""
FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
LEVELS: Final = {4: socket.IPPROTO_IP, 6: socket.IPPROTO_IPV6}
LEGACY_TABLES: Final = {4: Path("/proc/net/ip_tables_names"), 6: Path("/proc/net/ip6_tables_names")}
IPT_SO_GET_INFO: Final = 64
IPT_SO_GET_ENTRIES: Final = 65
"""IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES (linux/netfilter_ipv4/ip_tables.h)."""
IPT_GETINFO: Final = struct.Struct("32sI5I5III")
"""The struct ipt_getinfo: the table's name, its hooks, where each begins, where its policy stands, and sizes."""
UNDERFLOWS_INDEX: Final = 7
"""At which place of INFO the positions of the policies begin, one a hook."""
HOOKS: Final = ("PREROUTING", "INPUT", CHAIN, "OUTPUT", "POSTROUTING")
"""In the order of NF_INET_PRE_ROUTING and those after it; a legacy table has one chain for each, of that name."""
FAMILY_NAMES: Final = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
"""How nft calls the families of tables (linux/netfilter.h)."""
IPT_GET_ENTRIES: Final = struct.Struct("32sI4x")
"""The head of struct ipt_get_entries; the rules after it are aligned to eight bytes."""
VERDICT_OFFSET: Final = {4: 112 + 32, 6: 168 + 32}
"""Bytes of a rule before its verdict: struct ipt_entry or ip6t_entry without matches, then struct xt_entry_target."""


def forward_policy(version: int) -> str:
    """Return DROP or ACCEPT for a version of IP, empty when it cannot be read.

    A chain that does not exist lets everything pass.
    """
    try:
        found = {*_nft(version), *_legacy(version)}
    except (OSError, NetlinkError):
        return ""
    return "DROP" if "DROP" in found else "ACCEPT"


def other_drop_chains() -> list[str]:
    """Return the chains that drop what none of their rules lets pass, but for those called FORWARD in `filter`.

    Nobody sets one up without knowing, and whoever looks for what ends there looks into `filter` first.
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
        for table in _legacy_tables(version):
            for chain, verdict in _legacy_policies(version, table):
                if verdict == "DROP" and (table, chain) != (TABLE, CHAIN):
                    yield chain, table, program


def _nft(version: int) -> Iterator[str]:
    for _, table, chain, verdict in _nft_policies(FAMILIES[version]):
        if (table, chain) == (TABLE, CHAIN):
            yield verdict


def _nft_policies(family: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield family, table, name and policy of the chains that see packets by themselves."""
    try:
        with pyroute.nftables(family) as nftables:
            chains = list(nftables.get_chains())
    except OSError:  # a kernel without nftables knows no such socket
        return
    for chain in chains:
        if (policy := chain.get_attr("NFTA_CHAIN_POLICY")) is not None:
            name = chain.get_attr("NFTA_CHAIN_NAME")
            yield chain["nfgen_family"], chain.get_attr("NFTA_CHAIN_TABLE"), name, VERDICTS[policy]


def _legacy(version: int) -> Iterator[str]:
    if TABLE in _legacy_tables(version):
        yield dict(_legacy_policies(version, TABLE))[CHAIN]


def _legacy_tables(version: int) -> list[str]:
    """Return which tables there are: asking for one makes it, and every program then warns of legacy tables."""
    names = LEGACY_TABLES[version]
    return names.read_text().split() if names.exists() else []


def _legacy_policies(version: int, table: str) -> Iterator[tuple[str, str]]:
    with socket.socket(FAMILIES[version], socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        name = table.encode()
        info = IPT_GETINFO.unpack(
            _getsockopt(sock, LEVELS[version], IPT_SO_GET_INFO, name.ljust(IPT_GETINFO.size, b"\0"))
        )
        size = info[-1]
        rules = _getsockopt(sock, LEVELS[version], IPT_SO_GET_ENTRIES, IPT_GET_ENTRIES.pack(name, size) + bytes(size))[
            IPT_GET_ENTRIES.size :
        ]
    for number, chain in enumerate(HOOKS):
        if info[1] & 1 << number:
            (verdict,) = struct.unpack_from("i", rules, info[UNDERFLOWS_INDEX + number] + VERDICT_OFFSET[version])
            yield chain, VERDICTS[-verdict - 1]


def _getsockopt(sock: socket.socket, level: int, option: int, question: bytes) -> bytes:
    """Ask by getsockopt with a question in the buffer, which Python's own cannot pass."""
    buffer = ctypes.create_string_buffer(question, len(question))
    length = ctypes.c_uint32(len(question))
    if LIBC.getsockopt(sock.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, "the legacy table of iptables cannot be read")
    return buffer.raw
