"""The tables of nftables that enforce a policy, as the text that `nft -f` reads.

Input: the bridges, the openings, what the kernel can do. Output: one transaction that replaces the project's tables.

    table bridge cloison_NAME       packets inside a bridge
      chain source                  a port sends with its own addresses only, so an address proves who sends
      chain inside                  what is allowed by (port, port, address, protocol, port number), then drop by place
      chain delivered               packets from the host reach an address only at the port that has it
      chain received                packets of a port reach the host itself, and no device on top of the bridge
    table inet cloison_NAME         packets that are routed, and those of the host itself
      chain routed, to_host, from_host

Rules: what is closed is closed by place (a bridge, a subnet), and needs nobody to be in time; what is open is an
element of a set, which counts its packets where the kernel can. A drop is final wherever it stands, and an accept never
is, so nothing here opens what the engine's rules close. Each element and each rule has the policy's rule that it comes
from as its comment.
Source: nft(8), https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks; the priorities of the engine's own
chains are 0 (filter) and -100 (DNAT), so the chains here see a published port's own address and come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloison.enforce.features import Features
from cloison.enforce.layout import BridgePort, Layout, table_name
from cloison.enforce.openings import Opening, Way
from cloison.model.flow import ip_version

FAMILIES: Final = ("bridge", "inet")
MAX_COMMENT: Final = 120
"""NFTNL_UDATA_COMMENT_MAXLEN is 128 bytes with the final 0: libnftnl/udata.h."""
IPV4: Final = 4
ADDRESS: Final = {IPV4: "ipv4_addr", 6: "ipv6_addr"}
IP: Final = {4: "ip", 6: "ip6"}
NEIGHBORS: Final = "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"
"""Neighbour discovery (RFC 4861) without router advertisements and redirects, which no container has to send."""
FROM_ROUTER: Final = "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"
ERRORS: Final = {
    4: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    6: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
}
DROP: Final = "counter drop"
GROUP, NO_GROUP = "01:00:00:00:00:00", "00:00:00:00:00:00"
"""The bit of a hardware address that is set for broadcast and multicast, and its value for one receiver."""
NOT_FIRST: Final = "tcp flags & (syn | ack) != syn"
"""A TCP segment that begins no connection."""


def remove(project: str, families: Iterable[str] = FAMILIES) -> str:
    """Return the transaction that removes a project's tables, whether they exist or not."""
    names = [f"{family} {table_name(project)}" for family in families]
    return "".join(f"add table {name}\ndelete table {name}\n" for name in names)


def ruleset(layout: Layout, openings: Sequence[Opening], features: Features) -> str:
    """Return the transaction that replaces the project's tables by those of the policy."""
    tables = [_inet(layout, openings, counts=features.set_counters)]
    if features.bridge_family:
        tables.insert(0, _bridge(layout, openings, features))
    return remove(layout.project) + "".join(tables)


@dataclass
class _Table:
    """A table while it is written."""

    family: str
    project: str
    sets: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    chains: list[str] = field(default_factory=list)

    def declare(self, name: str, kind: str, flags: str = "", *, counts: bool = False) -> None:
        """Declare a set; a set without elements is written, too, because a rule names it. It may count by element."""
        self.sets[name] = (f"type {kind};{f' flags {flags};' if flags else ''}{' counter;' if counts else ''}", {})

    def add(self, name: str, element: str, comment: str) -> None:
        """Add an element to a set, with its comment; the first comment of several stays."""
        self.sets[name][1].setdefault(element, comment)

    def chain(self, name: str, hook: str, priority: int, rules: Iterable[str]) -> None:
        """Add a base chain that accepts what no rule drops."""
        lines = "".join(f"    {rule}\n" for rule in rules)
        self.chains.append(
            f"  chain {name} {{\n    type filter hook {hook} priority {priority}; policy accept;\n{lines}  }}\n"
        )

    def text(self) -> str:
        """Return the table."""
        sets = "".join(self._set(name, kind, elements) for name, (kind, elements) in self.sets.items())
        return f"table {self.family} {table_name(self.project)} {{\n{sets}{''.join(self.chains)}}}\n"

    @staticmethod
    def _set(name: str, kind: str, elements: dict[str, str]) -> str:
        listed = "".join(f"      {element}{_comment(comment)},\n" for element, comment in elements.items())
        body = f"    elements = {{\n{listed}    }}\n" if listed else ""
        return f"  set {name} {{\n    {kind}\n{body}  }}\n"


def _comment(text: str) -> str:
    printable = "".join(sign if sign.isascii() and sign.isprintable() and sign != '"' else "?" for sign in text)
    short = printable if len(printable) <= MAX_COMMENT else f"{printable[: MAX_COMMENT - 3]}..."
    return f' comment "{short}"'


def _bridge(layout: Layout, openings: Sequence[Opening], features: Features) -> str:
    """Return the table for packets inside a bridge."""
    table, counts = _Table("bridge", layout.project), features.set_counters
    _declare_places(table, layout)
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
    delivered = _per_version(
        "{ip} daddr @nets{version} oifname . ether daddr . {ip} daddr != @own{version} counter drop"
    )
    known = _per_version("ether saddr @hosts oifname . ether daddr . {ip} daddr @own{version} accept")
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


def _allowed_inside(table: _Table, openings: Sequence[Opening], features: Features) -> Iterator[str]:
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
    table: _Table, opening: Opening, source: BridgePort, target: BridgePort, *, stateless: bool
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
            yield f"{ends} {opening.protocol} dport {ports} counter accept{_comment(opening.reason)}"
            if stateless:
                ends = f"iifname {quoted(target.name)} oifname {quoted(source.name)} {IP[version]} saddr {address}"
                first = f" {NOT_FIRST}" if opening.protocol == "tcp" else ""
                yield f"{ends} {opening.protocol} sport {ports}{first} counter accept{_comment(opening.reason)}"


def _declare_places(table: _Table, layout: Layout) -> None:
    """Declare the sets of the bridges and their subnets, by which everything is closed."""
    table.declare("bridges", "ifname")
    for version, kind in ADDRESS.items():
        table.declare(f"nets{version}", kind, "interval")
    for bridge in layout.bridges:
        table.add("bridges", quoted(bridge.name), f"network {bridge.network}")
        for subnet in bridge.subnets:
            table.add(f"nets{ip_version(subnet)}", subnet, f"network {bridge.network}")


def _inet(layout: Layout, openings: Sequence[Opening], *, counts: bool) -> str:
    """Return the table for packets that are routed, and for those to and from the host.

    Where the kernel filters bridges (`bridge-nf-call-iptables`), packets inside a bridge pass it, too.
    """
    table = _Table("inet", layout.project)
    _declare_places(table, layout)
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
        *_per_version(
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
        *_per_version(
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
        *_per_version(
            "{ip} daddr . meta l4proto . th dport @inbound{version} counter accept",
            "{ip} daddr @inbound_whole{version} counter accept",
            "{ip} daddr . meta l4proto . th dport @from_host{version} counter accept",
            "{ip} daddr @from_host_whole{version} counter accept",
        ),
        *ranges["from_host"],
        DROP,
    ])  # fmt: skip
    return table.text()


def _per_version(*templates: str) -> Iterator[str]:
    for version, ip in IP.items():
        for template in templates:
            yield template.format(ip=ip, version=version)


def _add_inet(table: _Table, opening: Opening, ranges: dict[str, list[str]]) -> None:
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
            ranges[chain].append(f"{match_text} {numbers} counter accept{_comment(opening.reason)}")
            if opening.way is Way.INBOUND:
                rule = f"{IP[version]} daddr {end} {numbers} counter accept{_comment(opening.reason)}"
                ranges["from_host"].append(rule)
        else:
            table.add(f"{name}{version}", f"{key} . {ports}", opening.reason)


def _addresses(port: BridgePort | None) -> tuple[str, ...]:
    return port.addresses if port else ("",)


def _is_same_version(one: str, other: str) -> bool:
    return ip_version(one) == ip_version(other)


def quoted(name: str) -> str:
    """Return the name of an interface as nft reads it."""
    return f'"{name}"'
