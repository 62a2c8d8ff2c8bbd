"""The table for packets inside a bridge: who sends is known by port, hardware address and address together.

Input: the layout, the openings, what the kernel can do. Output: the text of the table `bridge cloison_NAME`.
Rule: nearly every packet is looked up once in a chain; the rules that drop come after those that accept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cloison.enforce.features import Features
from cloison.enforce.layout import BridgePort, Layout
from cloison.enforce.nft_table import (
    ADDRESS,
    DROP,
    IP,
    IPV4,
    NEIGHBORS,
    NftTable,
    comment_of,
    declare_places,
    per_version,
    quoted,
)
from cloison.enforce.openings import Opening, Way
from cloison.model.flow import ip_version

ERRORS: Final = {
    4: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    6: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
}
GROUP, NO_GROUP = "01:00:00:00:00:00", "00:00:00:00:00:00"
"""The bit of a hardware address that is set for broadcast and multicast, and its value for one receiver."""
NOT_FIRST: Final = "tcp flags & (syn | ack) != syn"
"""A TCP segment that begins no connection."""


def bridge(layout: Layout, openings: Sequence[Opening], features: Features) -> str:
    """Return the table for packets inside a bridge."""
    table, counts = NftTable("bridge", layout.project), features.set_counters
    declare_places(table, layout)
    table.declare("ports", "ifname")
    table.declare("hosts", "ether_addr")
    for bridge in layout.bridges:
        table.add("hosts", bridge.mac_address, f"the host on network {bridge.network}")
    table.declare("arp4", "ifname . ipv4_addr")
    for version, kind in ADDRESS.items():
        table.declare(f"own{version}", f"ifname . ether_addr . {kind}")
        for prefix in ("allow", "reply"):
            table.declare(f"{prefix}{version}", f"ifname . ifname . {kind} . inet_proto . inet_service", counts=counts)
        for prefix in ("whole", "whole_reply"):
            table.declare(f"{prefix}{version}", f"ifname . ifname . {kind}", counts=counts)
    table.declare("known", "ifname . ifname")
    for port in layout.ports:
        table.add("ports", quoted(port.name), port.container)
        for address in port.addresses:
            version = ip_version(address)
            table.add(f"own{version}", f"{quoted(port.name)} . {port.mac_address} . {address}", port.container)
            if version == IPV4:
                table.add("arp4", f"{quoted(port.name)} . {address}", port.container)
    rules = list(_allowed_inside(table, openings, features))
    dropped = [f"iifname @ports {DROP}", f"oifname @ports {DROP}"]
    for version, ip in IP.items():
        dropped += [f"{ip} {side} @nets{version} {DROP}" for side in ("saddr", "daddr")]
    if features.bridge_name:
        dropped.insert(0, f"meta ibrname @bridges {DROP}")
    table.chain("source", "prerouting", -300, _source_rules())
    table.chain("inside", "forward", -200, [*rules, *dropped])
    # A device on top of a bridge (macvlan) sends and receives as the host does, with a hardware address of its own.
    delivered = per_version(
        "{ip} daddr @nets{version} oifname . ether daddr . {ip} daddr != @own{version} counter drop"
    )
    known = per_version("ether saddr @hosts oifname . ether daddr . {ip} daddr @own{version} accept")
    table.chain("delivered", "output", -200, [*known, f"oifname @ports ether saddr != @hosts {DROP}", *delivered])
    received = f"iifname @ports ether daddr != @hosts ether daddr & {GROUP} == {NO_GROUP} {DROP}"
    table.chain("received", "input", -200, ["ether daddr @hosts accept", received])
    return table.text()


def _source_rules() -> Iterator[str]:
    """Yield the rules about the addresses that a port sends with.

    A port that nobody knows yet has none of the addresses of the project's networks, whatever it claims. The first
    rules say nothing that the others do not: a packet of a known port, which is nearly every packet, needs one lookup.
    """
    for version, ip in IP.items():
        yield f"iifname . ether saddr . {ip} saddr @own{version} accept"
    yield f"ether type arp arp saddr ip @nets4 iifname . arp saddr ip != @arp4 {DROP}"
    for version, ip in IP.items():
        yield f"{ip} saddr @nets{version} iifname . ether saddr . {ip} saddr != @own{version} {DROP}"
    yield f"iifname @ports ip saddr != 0.0.0.0 iifname . ether saddr . ip saddr != @own4 {DROP}"
    yield f"iifname @ports ip6 saddr != {{ ::, fe80::/10 }} iifname . ether saddr . ip6 saddr != @own6 {DROP}"


def _allowed_inside(table: NftTable, openings: Sequence[Opening], features: Features) -> Iterator[str]:
    """Yield the rules that accept packets between two ports, and add the elements that they look up."""
    yield "ether type arp accept"
    yield f"{NEIGHBORS} accept"
    if features.bridge_conntrack:
        yield "ct state established,related accept"
    ranges: list[str] = []
    for opening in openings:
        ends = opening.source, opening.target
        if opening.way is Way.BETWEEN and ends[0] and ends[1] and ends[0].bridge == ends[1].bridge:
            ranges += _add_inside(table, opening, ends[0], ends[1], stateless=not features.bridge_conntrack)
    for version, ip in IP.items():
        for name, rules in _lookups(version, ip).items():
            if table.sets[name][1]:  # a lookup in an empty set costs as much
                yield from rules
    yield from ranges


def _lookups(version: int, ip: str) -> dict[str, list[str]]:
    """Return the rules that accept a packet by each set, those first that most packets need."""
    sender = f"iifname . oifname . {ip} saddr . meta l4proto . th sport @reply{version}"
    whole = f"iifname . oifname . {ip} saddr @whole_reply{version}"
    return {
        f"allow{version}": [f"iifname . oifname . {ip} daddr . meta l4proto . th dport @allow{version} counter accept"],
        f"reply{version}": [f"{sender} {NOT_FIRST} counter accept", f"{sender} meta l4proto != tcp counter accept"],
        f"whole{version}": [f"iifname . oifname . {ip} daddr @whole{version} counter accept"],
        f"whole_reply{version}": [f"{whole} {NOT_FIRST} counter accept", f"{whole} meta l4proto != tcp counter accept"],
        "known": [f"iifname . oifname @known {ERRORS[version]} counter accept"],
    }


def _add_inside(
    table: NftTable, opening: Opening, source: BridgePort, target: BridgePort, *, stateless: bool
) -> Iterator[str]:
    """Add the elements of an opening between two ports of a bridge; yield the rules of a range of ports."""
    there = f"{quoted(source.name)} . {quoted(target.name)}"
    back = f"{quoted(target.name)} . {quoted(source.name)}"
    if stateless:
        table.add("known", there, opening.reason)
        table.add("known", back, opening.reason)
    for address in target.addresses:
        version = ip_version(address)
        if not opening.protocol:
            table.add(f"whole{version}", f"{there} . {address}", opening.reason)
            if stateless:
                table.add(f"whole_reply{version}", f"{back} . {address}", opening.reason)
        elif not opening.is_range:
            end = f"{address} . {opening.protocol} . {opening.port}"
            table.add(f"allow{version}", f"{there} . {end}", opening.reason)
            if stateless:
                table.add(f"reply{version}", f"{back} . {end}", opening.reason)
        else:
            ports = f"{opening.port}-{opening.last_port}"
            ends = f"iifname {quoted(source.name)} oifname {quoted(target.name)} {IP[version]} daddr {address}"
            yield f"{ends} {opening.protocol} dport {ports} counter accept{comment_of(opening.reason)}"
            if stateless:
                ends = f"iifname {quoted(target.name)} oifname {quoted(source.name)} {IP[version]} saddr {address}"
                first = f" {NOT_FIRST}" if opening.protocol == "tcp" else ""
                yield f"{ends} {opening.protocol} sport {ports}{first} counter accept{comment_of(opening.reason)}"
