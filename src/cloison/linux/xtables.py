"""Decodes matches and targets of x_tables, of legacy iptables and of iptables-nft alike.

Input: name, revision and structure of a match or a target. Output: narrower `Conditions`, or a `Target`.
Rule: a match that is not known here matches every packet; a target that is not known raises `NotUnderstood`.
Source: linux/netfilter/x_tables.h, xt_tcpudp.h, xt_multiport.h, xt_iprange.h, xt_TPROXY.h, nf_nat.h, and
linux/netfilter_ipv4/ip_tables.h.
"""

from __future__ import annotations

import struct
from typing import Final

from cloison.linux.translation import BITS, Conditions, Interval, Intervals, Target

XT_TCPUDP: Final = struct.Struct("=4x2H")
"""struct xt_tcp and struct xt_udp { __u16 spts[2], dpts[2]; … __u8 invflags; }, of which dpts is read."""
INVFLAGS_OFFSET: Final = {"tcp": 11, "udp": 8}
XT_INV_DSTPT: Final = 0x02
"""XT_TCP_INV_DSTPT and XT_UDP_INV_DSTPT."""
XT_MULTIPORT: Final = struct.Struct("=2B15H")
"""struct xt_multiport_v1 { __u8 flags, count; __u16 ports[15]; __u8 pflags[15], invert; };

A port whose pflag is set is the first one of a range, and the next one is the last. Revision 0 ends after ports."""
XT_MULTIPORT_SOURCE: Final = 0
MULTIPORT_PORTS: Final = 15
XT_IPRANGE: Final = struct.Struct("=32x16s16sB")
"""struct xt_iprange_mtinfo { union nf_inet_addr src_min, src_max, dst_min, dst_max; __u8 flags; };"""
IPRANGE_DST, IPRANGE_DST_INV = 1 << 1, 1 << 5
NF_NAT_IPV4_MULTI_RANGE: Final = struct.Struct("=I4s4s2s2s")
"""struct nf_nat_ipv4_range { unsigned int flags; __be32 min_ip, max_ip; union nf_conntrack_man_proto min, max; };

It follows `unsigned int rangesize` in struct nf_nat_ipv4_multi_range_compat, and rangesize is 1."""
NF_NAT_RANGE: Final = struct.Struct("=I16s16s2s2s")
"""struct nf_nat_range { unsigned int flags; union nf_inet_addr min_addr, max_addr; … min_proto, max_proto; };

struct nf_nat_range2 appends base_proto."""
NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED = 1, 2
XT_TPROXY: Final = {0: struct.Struct("=8x4s2s"), 1: struct.Struct("=8x16s2s")}
"""struct xt_tproxy_target_info { u_int32_t mark_mask, mark_value; __be32 laddr; __be16 lport; }, by its revision."""
DNAT_RANGE2: Final = 2
"""The revision of the target DNAT that takes struct nf_nat_range2 for both versions of IP."""
OTHER_TARGETS: Final = frozenset({
    "ACCOUNT", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DSCP", "ECN", "ERROR", "HL",
    "HMARK", "IDLETIMER", "LED", "LOG", "MARK", "MASQUERADE", "NFLOG", "NFQUEUE", "NOTRACK", "RATEEST", "REJECT",
    "SECMARK", "SET", "SNAT", "SNPT", "SYNPROXY", "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS", "TRACE", "TTL", "ULOG",
    "standard", "mark", "snat", "log", "nflog", "ulog", "arpreply",
})  # fmt: skip
"""The targets of the kernel that leave the destination of a packet as it is; the lower-case ones are of ebtables."""


class NotUnderstood(Exception):  # noqa: N818  # it says what the rule is
    """A rule may translate a destination in a way that is not known here."""


def narrowed(conditions: Conditions, name: str, revision: int, info: bytes) -> Conditions | None:
    """Return the conditions that a match leaves, None if no packet matches."""
    if name in INVFLAGS_OFFSET:
        is_inverted = info[INVFLAGS_OFFSET[name]] & XT_INV_DSTPT
        return conditions if is_inverted else conditions.with_ports((XT_TCPUDP.unpack_from(info),))
    if name == "multiport":
        ports = _multiport(revision, info)
        return conditions.with_ports(ports) if ports else conditions
    if name == "iprange":
        low, high, flags = XT_IPRANGE.unpack_from(info)
        if flags & IPRANGE_DST and not flags & IPRANGE_DST_INV:
            return conditions.with_addresses((_addresses(low, high, min(conditions.versions)),))
    return conditions


def _multiport(revision: int, info: bytes) -> Intervals:
    """Return the destination ports of a match, none where it has another condition."""
    flags, count, *ports = XT_MULTIPORT.unpack_from(info)
    range_starts, is_inverted = bytes(MULTIPORT_PORTS), 0
    if revision:
        range_starts = info[XT_MULTIPORT.size : XT_MULTIPORT.size + MULTIPORT_PORTS]
        is_inverted = info[XT_MULTIPORT.size + MULTIPORT_PORTS]
    if flags == XT_MULTIPORT_SOURCE or is_inverted:
        return ()
    found, position = [], 0
    while position < count:
        width = 1 if range_starts[position] else 0
        found.append((ports[position], ports[position + width]))
        position += 1 + width
    return tuple(found)


def target(name: str, revision: int, info: bytes, version: int) -> Target | None:
    """Return the translation of a target for a version of IP, None for one that leaves the destination as it is.

    Raises NotUnderstood.
    """
    if name in ("DNAT", "REDIRECT", "NETMAP"):
        if version == 4 and not (name == "DNAT" and revision >= DNAT_RANGE2):  # noqa: PLR2004
            flags, low, high, *ports = NF_NAT_IPV4_MULTI_RANGE.unpack_from(info, 4)
        else:
            flags, low, high, *ports = NF_NAT_RANGE.unpack_from(info)
        addresses = _addresses(low, high, version) if flags & NF_NAT_RANGE_MAP_IPS and name != "REDIRECT" else None
        low_port, high_port = (int.from_bytes(port, "big") for port in ports)
        specified = (low_port, high_port) if flags & NF_NAT_RANGE_PROTO_SPECIFIED else None
        return Target(addresses, specified, is_local=name == "REDIRECT")
    if name == "TPROXY":
        _, port = XT_TPROXY[min(revision, 1)].unpack_from(info)
        number = int.from_bytes(port, "big")
        return Target(None, (number, number) if number else None, is_local=True)
    if name in OTHER_TARGETS:
        return None
    raise NotUnderstood(f"the target {name}")


def _addresses(low: bytes, high: bytes, version: int) -> Interval:
    length = BITS[version] // 8
    return int.from_bytes(low[:length], "big"), int.from_bytes(high[:length], "big")
