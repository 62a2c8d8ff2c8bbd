"""Finds the ports at which a packet may be translated to an endpoint of the project: redirect candidates.

A probe of a container's own addresses cannot find such a redirect. A candidate is probed like a published port; the
probe decides whether it is open.

Input: facts, the translations of each namespace, and the ports from which proxies copy.
Output: the containers with `redirect_candidates`, and sentences about what cannot be probed and what is sampled.
Rule: a candidate too many costs one probe; a missing candidate would be an open port that the proof does not show.
Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

from cloison.engine import ProxiedPort
from cloison.linux.translation import Conditions, Translation, Translations, contains
from cloison.model.facts import Container, Facts, Listener, PublishedPort
from cloison.model.flow import HOST, WILDCARD, Protocol, ip_version

PROTOCOL_NUMBERS: Final = {Protocol.TCP: 6, Protocol.UDP: 17}
"""IPPROTO_TCP and IPPROTO_UDP, of the protocols that are probed."""
DISCARD_PORT: Final = 9
"""The port that is asked where a rule translates every port: nothing else listens on it (RFC 863)."""
LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}
MAX_PORTS: Final = 64
"""Ports of one rule that are asked at most."""
VantageKey = tuple[str, str]


@dataclass(slots=True)
class Redirects:
    """The candidates by the name of their container, and sentences for the proof document."""

    candidates: dict[str, set[PublishedPort]] = field(default_factory=dict)
    not_probed: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)

    def containers(self, facts: Facts) -> tuple[Container, ...]:
        """Return the containers with their candidates."""
        return tuple(
            replace(c, redirect_candidates=tuple(sorted(self.candidates.get(c.name, ())))) for c in facts.containers
        )

    def add(self, container: str, candidates: Iterable[PublishedPort]) -> None:
        """Add candidates of a container."""
        self.candidates.setdefault(container, set()).update(candidates)


@dataclass(frozen=True, slots=True)
class _Target:
    """A container that a translation may lead to, at one of its addresses; `port` is None where the port is kept."""

    container: str
    port: int | None
    version: int = 0
    """The version of IP of the address, 0 for a redirect, which keeps it."""


def redirects(
    facts: Facts,
    listeners: Iterable[Listener],
    translations: Mapping[VantageKey, Translations],
    proxies: Iterable[ProxiedPort],
) -> Redirects:
    """Return the redirect candidates of the facts' containers; the `listeners` are asked where a port is kept."""
    result = Redirects()
    search = _Search(facts, tuple(listeners), tuple(proxies))
    for proxy in search.proxies:
        if name := search.owners.get(proxy.address):  # a process copies from one version of IP to the other
            port = PublishedPort(proxy.host_address, proxy.host_port, proxy.protocol, proxy.port)
            result.add(name, [port])
    for key, found in translations.items():
        result.not_probed.update(found.not_understood)
        for translation in found.found:
            if key == (HOST, "") or not translation.is_output:  # a container's own packets are probed as they leave it
                search.follow(key, translation, result)
    return result


class _Search:
    def __init__(self, facts: Facts, listeners: Sequence[Listener], proxies: Sequence[ProxiedPort]) -> None:
        self.facts = facts
        self.proxies = proxies
        self.owners = facts.container_addresses | {
            item.address: item.container for item in facts.unmanaged_addresses if item.address
        }
        self.listening: dict[str, set[tuple[Protocol, int]]] = {}
        for item in listeners:
            self.listening.setdefault(item.container, set()).add((item.protocol, item.port))

    def follow(self, key: VantageKey, translation: Translation, result: Redirects) -> None:
        """Add the candidates of a translation in the namespace of a vantage."""
        targets = sorted(self._targets(key, translation), key=lambda target: (target.container, target.port or 0))
        for target in targets:
            addresses = self._addresses(key, translation, target)
            if not _protocols(translation.conditions):
                result.not_probed.add(_not_probed_protocol(translation, target))
            for protocol in _protocols(translation.conditions):
                pairs = self._ports(translation.conditions, target, protocol)
                if not addresses and translation.conditions.addresses is not None:
                    result.not_probed.add(_nowhere(translation.conditions, target, protocol, pairs))
                result.add(
                    target.container,
                    (PublishedPort(address, port, protocol, to) for address in addresses for port, to in pairs),
                )
            if addresses and (note := self._note(translation, target)):
                result.notes.add(note)

    def _targets(self, key: VantageKey, translation: Translation) -> set[_Target]:
        target = translation.target
        port = target.ports[0] if target.ports else None
        if target.addresses is None:
            local = set() if key == (HOST, "") and port is None else self._local(key, port)
            return local if target.is_local else local | self._kept(key, translation.conditions, port)
        low, high = target.addresses
        matching = [
            (address, name)
            for address, name in self.owners.items()
            if ip_address(address).version in translation.conditions.versions
            and low <= int(ip_address(address)) <= high
        ]
        found = {_Target(name, port, ip_version(address)) for address, name in matching}
        loopback = [LOOPBACK[version] for version in sorted(translation.conditions.versions)]
        own = self._own(key) if key == (HOST, "") else []
        is_local = any(low <= int(ip_address(address)) <= high for address in (*own, *loopback))
        return found | (self._local(key, port) if is_local else set())

    def _local(self, key: VantageKey, port: int | None) -> set[_Target]:
        """Return the containers whose sockets, or whose published ports, a packet to the namespace itself reaches."""
        if key != (HOST, ""):
            return {_Target(key[1], port)}
        published = {
            _Target(c.name, publication.container_port)
            for c in self.facts.containers
            for publication in c.published_ports
            if publication.host_port == port
        }
        proxied = {
            _Target(self.owners[p.address], p.port)
            for p in self.proxies
            if p.host_port == port and p.address in self.owners
        }
        return published | proxied | {_Target(c.name, port) for c in self.facts.containers if c.network_mode == HOST}

    def _kept(self, key: VantageKey, conditions: Conditions, port: int | None) -> set[_Target]:
        """Return the containers whose addresses a packet may have that keeps its address, on its way through."""
        if port is None:
            return set()
        return {
            _Target(name, port, ip_version(address))
            for address, name in self.owners.items()
            if name != key[1] and conditions.matches_address(address)
        }

    def _own(self, key: VantageKey) -> list[str]:
        """Return the addresses of a vantage's namespace."""
        if key == (HOST, ""):
            return [*self.facts.host_addresses]
        return [address for address, name in self.owners.items() if name == key[1]]

    def _addresses(self, key: VantageKey, translation: Translation, target: _Target) -> list[str]:
        """Return the addresses at which a packet must be sent to be translated to a target."""
        conditions = translation.conditions
        versions = {target.version} & conditions.versions if target.version else conditions.versions
        if key == (HOST, "") and conditions.addresses is None:
            return [WILDCARD[version] for version in sorted(versions)]
        own = [address for address in self._own(key) if conditions.matches_address(address)]
        if translation.target.addresses is None and not translation.target.is_local:
            own += [a for a, name in self.owners.items() if name == target.container and conditions.matches_address(a)]
        return [address for address in dict.fromkeys(own) if ip_version(address) in versions]

    def _ports(self, conditions: Conditions, target: _Target, protocol: Protocol) -> list[tuple[int, int]]:
        """Return the ports to ask, each with the port that it leads to."""
        asked = sampled(conditions)
        if target.port is None:
            known = {port for listening, port in self._known(target.container) if listening is protocol}
            asked |= {port for port in sorted(known) if contains(conditions.ports, port)}
        return [(port, port if target.port is None else target.port) for port in sorted(asked)]

    def _known(self, name: str) -> set[tuple[Protocol, int]]:
        exposed = {port for c in self.facts.containers if c.name == name for port in c.exposed}
        return self.listening.get(name, set()) | exposed

    def _note(self, translation: Translation, target: _Target) -> str:
        """Return the sentence about ports that are not all asked, empty if all are."""
        ports = translation.conditions.ports
        asked = sorted(
            {port for protocol in PROTOCOL_NUMBERS for port, _ in self._ports(translation.conditions, target, protocol)}
        )
        count = 1 << 16 if ports is None else sum(high - low + 1 for low, high in ports)
        if count <= len(asked):
            return ""
        numbers = ", ".join(map(str, asked[:8])) + (", …" if len(asked) > 8 else "")  # noqa: PLR2004
        return (
            f"the chain {translation.chain} translates {count} ports to {target.container}, of which a probe asks "
            f"{len(asked)}: {numbers}"
        )


def sampled(conditions: Conditions) -> set[int]:
    """Return ports inside the conditions: both ends of every interval and one between, MAX_PORTS at most."""
    if conditions.ports is None:
        return {DISCARD_PORT}
    found = [port for low, high in conditions.ports for port in sorted({low, (low + high) // 2, high})]
    step = -(-len(found) // MAX_PORTS)
    return {*found[:: step or 1]}


def _protocols(conditions: Conditions) -> list[Protocol]:
    return [protocol for protocol, number in PROTOCOL_NUMBERS.items() if contains(conditions.protocols, number)]


def _not_probed_protocol(translation: Translation, target: _Target) -> str:
    """Return the sentence about a rule for protocols of which no port is probed."""
    numbers = ", ".join(str(low) for low, _ in translation.conditions.protocols or ())
    return f"the chain {translation.chain} translates the protocol {numbers} to {target.container}, which is not probed"


def _nowhere(conditions: Conditions, target: _Target, protocol: Protocol, pairs: Sequence[tuple[int, int]]) -> str:
    """Return the sentence about a rule whose addresses belong to no namespace of the proof."""
    low, high = (conditions.addresses or ((0, 0),))[0]
    version = min(conditions.versions)
    first, last = (_address(number, version) for number in (low, high))
    where = first if first == last else f"{first} to {last}"
    port, to = pairs[0]
    return (
        f"a DNAT rule redirects {where} port {port}/{protocol} to port {to} of {target.container}; "
        "no namespace here has that address, so it is not probed"
    )


def _address(number: int, version: int) -> str:
    return str(ip_address(number.to_bytes(4 if version == 4 else 16, "big")))  # noqa: PLR2004
