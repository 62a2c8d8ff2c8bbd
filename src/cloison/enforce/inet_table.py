"""The table for packets that are routed, and for those to and from the host.

Input: the layout and the openings. Output: the text of the table `inet cloison_NAME`.
Rule: an established connection passes; a new one needs an element of a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloison.enforce.layout import BridgePort, Layout
from cloison.enforce.nft_table import (
    ADDRESS,
    DROP,
    IP,
    NEIGHBORS,
    NftTable,
    comment_of,
    declare_places,
    per_version,
    quoted,
)
from cloison.enforce.openings import Opening, Way
from cloison.model.flow import ip_version

FROM_ROUTER: Final = "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"


def inet(layout: Layout, openings: Sequence[Opening], *, counts: bool) -> str:
    """Return the table for packets that are routed, and for those to and from the host.

    Where the kernel filters bridges (`bridge-nf-call-iptables`), packets inside a bridge pass it, too.
    """
    table = NftTable("inet", layout.project)
    declare_places(table, layout)
    ranges: dict[str, list[str]] = {"routed": [], "to_host": [], "from_host": []}
    for version, kind in ADDRESS.items():
        end = f"{kind} . inet_proto . inet_service"
        types = {"allow": f"ifname . {kind} . {end}", "whole": f"ifname . {kind} . {kind}"}
        for name in ("inbound", "from_host"):
            types |= {name: end, f"{name}_whole": kind}
        types["to_host"] = f"ifname . {kind} . inet_proto . inet_service"
        types |= dict.fromkeys(("to_host_whole", "outbound"), f"ifname . {kind}")
        for name, members in types.items():
            table.declare(f"{name}{version}", members, counts=counts)
    for opening in openings:
        _add_inet(table, opening, ranges)
    table.chain("routed", "forward", -10, [
        "iifname != @bridges oifname != @bridges accept",
        "ct state established,related accept",
        f"iifname @bridges oifname @bridges {NEIGHBORS} accept",
        *per_version(
            "iifname . {ip} saddr . {ip} daddr . meta l4proto . th dport @allow{version} counter accept",
            "iifname . {ip} saddr . {ip} daddr @whole{version} counter accept",
            "iifname != @bridges {ip} daddr . meta l4proto . th dport @inbound{version} counter accept",
            "iifname != @bridges {ip} daddr @inbound_whole{version} counter accept",
            "oifname != @bridges iifname . {ip} saddr @outbound{version} counter accept",
        ),
        *ranges["routed"],
        DROP,
    ])  # fmt: skip
    table.chain("to_host", "input", -10, [
        "iifname != @bridges accept",
        "ct state established,related accept",
        f"{NEIGHBORS} accept",
        *per_version(
            "iifname . {ip} saddr . meta l4proto . th dport @to_host{version} counter accept",
            "iifname . {ip} saddr @to_host_whole{version} counter accept",
        ),
        *ranges["to_host"],
        DROP,
    ])  # fmt: skip
    table.chain("from_host", "output", -10, [
        "oifname != @bridges accept",
        "ct state established,related accept",
        f"{FROM_ROUTER} accept",
        # The engine's proxy of a published port connects from the host.
        *per_version(
            "{ip} daddr . meta l4proto . th dport @inbound{version} counter accept",
            "{ip} daddr @inbound_whole{version} counter accept",
            "{ip} daddr . meta l4proto . th dport @from_host{version} counter accept",
            "{ip} daddr @from_host_whole{version} counter accept",
        ),
        *ranges["from_host"],
        DROP,
    ])  # fmt: skip
    return table.text()


def _add_inet(table: NftTable, opening: Opening, ranges: dict[str, list[str]]) -> None:
    """Add the elements of an opening, and the rules of a range of ports by chain."""
    source, target, ports = opening.source, opening.target, f"{opening.protocol} . {opening.port}"
    sides = [(a, b) for a in _addresses(source) for b in _addresses(target) if not a or not b or _is_same_version(a, b)]
    for start, end in sides:
        version, bridge = ip_version(start or end), quoted(source.bridge) if source else ""
        match opening.way:
            case Way.BETWEEN:
                name, chain, key, last = "allow", "routed", f"{bridge} . {start} . {end}", f"whole{version}"
                match_text = f"iifname {bridge} {IP[version]} saddr {start} {IP[version]} daddr {end}"
            case Way.OUTBOUND:
                table.add(f"outbound{version}", f"{bridge} . {start}", opening.reason)
                continue
            case Way.TO_HOST:
                name, chain, key, last = "to_host", "to_host", f"{bridge} . {start}", f"to_host_whole{version}"
                match_text = f"iifname {bridge} {IP[version]} saddr {start}"
            case Way.INBOUND:
                name, chain, key, last = "inbound", "routed", end, f"inbound_whole{version}"
                match_text = f"iifname != @bridges {IP[version]} daddr {end}"
            case _:  # FROM_HOST
                name, chain, key, last = "from_host", "from_host", end, f"from_host_whole{version}"
                match_text = f"{IP[version]} daddr {end}"
        if not opening.protocol:
            table.add(last, key, opening.reason)
        elif opening.is_range:
            numbers = f"{opening.protocol} dport {opening.port}-{opening.last_port}"
            ranges[chain].append(f"{match_text} {numbers} counter accept{comment_of(opening.reason)}")
            if opening.way is Way.INBOUND:
                rule = f"{IP[version]} daddr {end} {numbers} counter accept{comment_of(opening.reason)}"
                ranges["from_host"].append(rule)
        else:
            table.add(f"{name}{version}", f"{key} . {ports}", opening.reason)


def _addresses(port: BridgePort | None) -> tuple[str, ...]:
    return port.addresses if port else ("",)


def _is_same_version(one: str, other: str) -> bool:
    return ip_version(one) == ip_version(other)
