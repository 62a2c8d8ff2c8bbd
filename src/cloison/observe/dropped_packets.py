"""Names the chains that drop packets of flows, and rules that would drop packets and that the kernel never asks.

Input: an open session, and flows that are predicted open and observed closed. Output: sentences.
Rule: the rules of nftables are evaluated for the first packet of a flow, in the namespaces that it passes; only a chain
that drops it for certain is named. Legacy iptables is not evaluated.
Source: https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks,
https://docs.kernel.org/networking/bridge.html (bridge-nf-call-iptables).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice, permutations, product
from typing import Final

from cloison.linux import netns, nftables
from cloison.linux.nftables import Ruleset
from cloison.linux.packet_verdict import FORWARD, Packet, dropping_chain
from cloison.linux.sysctl import setting
from cloison.model.facts import Attachment
from cloison.model.flow import HOST, OUTSIDE, Flow, Protocol, ip_version
from cloison.observe.interpret import VantageKey
from cloison.observe.observer import ProbeSession

PREROUTING, INPUT, OUTPUT = 0, 1, 3
"""NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT."""
PROTOCOLS: Final = {Protocol.TCP: socket.IPPROTO_TCP, Protocol.UDP: socket.IPPROTO_UDP}
BRIDGE_SETTINGS: Final = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
MAX_PACKETS: Final = 200
"""Packets to evaluate: others are most likely dropped by the same chains."""
BRIDGE: Final = "bridge"


@dataclass(frozen=True, slots=True)
class HookedPacket:
    """A packet at a hook of a namespace; the key is that of the namespace's probe sockets."""

    key: VantageKey
    hook: int
    packet: Packet


class Evaluator:
    """Evaluates packets in the namespaces of a session, whose rules it reads once."""

    def __init__(self, session: ProbeSession) -> None:
        self._session = session
        self._rulesets: dict[VantageKey, Ruleset] = {}

    def dropping_chain(self, at: HookedPacket) -> str:
        """Return the chain that drops a packet, empty where none is known to."""
        sockets = self._session.probe_sockets.get(at.key)
        if sockets:
            with suppress(OSError, LookupError, ValueError), netns.inside(sockets.descriptor):
                if at.key not in self._rulesets:
                    # A set is read in the namespace in which it is asked for first, and once.
                    self._rulesets[at.key] = replace(nftables.read(), set_of=cache(nftables.read_set))
                return dropping_chain(self._rulesets[at.key], at.packet, at.hook)
        return ""


def dropping_chains(session: ProbeSession, lost: Iterable[Flow]) -> list[str]:
    """Return a sentence for each pair of places with the chain that drops their packets, where it is known."""
    evaluator = Evaluator(session)
    return [*dict.fromkeys(s for flow in islice(lost, MAX_PACKETS) if (s := _dropped(session, evaluator, flow)))]


def _dropped(session: ProbeSession, evaluator: Evaluator, flow: Flow) -> str:
    for at in _hooked_packets(session, flow):
        if chain := evaluator.dropping_chain(at):
            end = flow.endpoint
            to = f"{end.place}:{end.service_port}" if end.service_port else end.place
            return f"packets of {flow.vantage.place} to {to} are dropped by the chain {chain} of {at.key[1] or HOST}"
    return ""


def unreached_drops(session: ProbeSession) -> list[str]:
    """Return a sentence for each port on a bridge that a rule would close, if the kernel asks no rule for a bridge."""
    evaluator, found = Evaluator(session), list[str]()
    for at, source, target in islice(_bridged_packets(session), MAX_PACKETS):
        if chain := evaluator.dropping_chain(at):
            found.append(
                f"the chain {chain} would drop packets of {source} to {target}:{at.packet.port}, and the kernel asks "
                f"no rule for packets inside one bridge, because {_setting(at.packet)} is not 1"
            )
    return found


def _setting(packet: Packet) -> str:
    return BRIDGE_SETTINGS[packet.version].replace("/", ".")


def _bridged_packets(session: ProbeSession) -> Iterator[tuple[HookedPacket, str, str]]:
    """Yield the packets between two members of a bridge that the kernel asks no rule, with their names."""
    open_versions = {version for version, name in BRIDGE_SETTINGS.items() if setting(name) != "1"}
    for network in session.facts.networks:
        members = [(c, a) for c in session.facts.containers for a in c.attachments if a.network == network.name]
        for (source, own), (target, other) in permutations(members, 2):
            if network.driver != BRIDGE or session.project.name not in (source.project, target.project):
                continue
            ports = sorted({(i.protocol, i.port) for i in session.facts.listeners if i.container == target.name})
            for version, (protocol, port) in product(sorted(open_versions), ports):
                start, end = _address(own, version), _address(other, version)
                if start and end and protocol in PROTOCOLS:
                    packet = Packet(version, PROTOCOLS[protocol], start, end, port, network.link, network.link)
                    yield HookedPacket((HOST, ""), FORWARD, packet), source.name, target.name


def _hooked_packets(session: ProbeSession, flow: Flow) -> Iterator[HookedPacket]:
    """Yield the hooks that the first packet of a flow passes, in its order."""
    end = flow.endpoint
    packet = _packet(session, flow)
    if packet is None:
        return
    if flow.vantage.container:
        yield HookedPacket(("", flow.vantage.container), OUTPUT, replace(packet, in_link="", out_link=""))
    if flow.vantage.place == HOST:
        yield HookedPacket((HOST, ""), OUTPUT, replace(packet, in_link=""))
    elif not _is_bridged(packet) or setting(BRIDGE_SETTINGS[packet.version]) == "1":
        yield HookedPacket((HOST, ""), PREROUTING, replace(packet, destination=end.address, port=end.port, out_link=""))
        hook = INPUT if end.place == HOST else FORWARD
        yield HookedPacket((HOST, ""), hook, replace(packet, out_link="") if hook == INPUT else packet)
    if end.container:
        yield HookedPacket(("", end.container), INPUT, replace(packet, in_link="", out_link=""))


def _is_bridged(packet: Packet) -> bool:
    return packet.in_link == packet.out_link != ""


def _packet(session: ProbeSession, flow: Flow) -> Packet | None:
    """Return the first packet of a flow behind the translation of a published port, None where it is not known."""
    source, end = flow.vantage, flow.endpoint
    version = ip_version(end.address)
    target = _attachment(session, end.container, end.network, version)
    own = _attachment(session, source.container, end.network, version)
    destination = _address(target, version) if end.container else end.address
    outside = {ip_version(a): a for a in session.facts.outside_addresses}
    start = outside.get(version, "") if source.place == OUTSIDE else _address(own, version)
    if not destination or end.protocol not in PROTOCOLS or not (start or source.place == HOST):
        return None
    port = end.service_port if end.container else end.port
    in_link, out_link = _link(session, own), _link(session, target)
    return Packet(version, PROTOCOLS[end.protocol], start or destination, destination, port, in_link, out_link)


def _attachment(session: ProbeSession, name: str, network: str, version: int) -> Attachment | None:
    """Return the attachment of a container to a network, else the one over which it leaves."""
    held = session.containers_by_name[name].attachments if name in session.containers_by_name else ()
    leaves = [
        n for i in session.facts.egress_networks if (i.container, i.version) == (name, version) for n in i.networks
    ]
    for wanted in (network, *leaves):
        for attachment in held:
            if attachment.network == wanted and _address(attachment, version):
                return attachment
    return None


def _address(attachment: Attachment | None, version: int) -> str:
    return next((a for a in attachment.addresses if ip_version(a) == version), "") if attachment else ""


def _link(session: ProbeSession, attachment: Attachment | None) -> str:
    network = session.facts.network(attachment.network) if attachment else None
    return network.link if network and network.driver == BRIDGE else ""
