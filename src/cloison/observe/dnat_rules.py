"""Finds DNAT rules and docker-proxy processes that redirect ports of other addresses to a container.

A probe of a container's own addresses cannot find such a redirect. So redirect candidates are read from the nat tables
of the host and of containers with several networks, and from the command lines of docker-proxy. A candidate is probed
like a published port; the probe decides whether it is open.

Input: facts and probe sockets. Output: the containers with `redirect_candidates`, and sentences about rules that cannot
be probed.
Rule: of a rule's conditions only address, port and protocol are read. A candidate too many costs one probe; a missing
candidate would be an open port that the proof does not show.
Source: iptables-save(8), iptables-extensions(8) (the DNAT target).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from cloison.engine.select import proxied_ports
from cloison.linux import netns
from cloison.linux.subprocesses import run
from cloison.model.facts import Container, Facts, PublishedPort
from cloison.model.flow import HOST, WILDCARD, Protocol, ip_version
from cloison.probe.sockets import ProbeSockets

NAT: Final = "nat"
LEGACY_TABLE_NAMES: Final = {"iptables-legacy-save": "ip_tables_names", "ip6tables-legacy-save": "ip6_tables_names"}
"""Programs that would create a missing legacy table, and the file under /proc/net that lists the existing ones."""
SAVE_COMMANDS: Final = ("iptables-nft-save", "ip6tables-nft-save", *LEGACY_TABLE_NAMES)
PROTOCOLS: Final = (Protocol.TCP, Protocol.UDP)
DISCARD_PORT: Final = 9
"""The port that is asked where a rule translates whatever comes: nothing else listens on it (RFC 863)."""
VantageKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DnatRule:
    """A destination NAT: packets to `port` at `address` (empty: any address) go to `target_port` at `target`."""

    address: str
    port: int
    protocol: Protocol
    target: str
    target_port: int

    def publication(self, address: str) -> PublishedPort:
        """Return the published port that the rule amounts to at an address."""
        return PublishedPort(address, self.port, self.protocol, self.target_port)

    def sentence(self, name: str) -> str:
        """Return the sentence about a rule whose address belongs to no namespace of the proof."""
        endpoint = f"{self.address} port {self.port}/{self.protocol}"
        return (
            f"a DNAT rule redirects {endpoint} to port {self.target_port} of {name}; no namespace here has that "
            "address, so it is not probed"
        )


def parse_rules(saved: Iterable[str]) -> Iterator[DnatRule]:
    """Yield the DNAT rules in the output of iptables-save."""
    for line in saved:
        if line.startswith("-A") and " --to-destination " in line:
            yield from _parse_rule(shlex.split(line))


def _parse_rule(words: Sequence[str]) -> Iterator[DnatRule]:
    options = {
        word: value for before, word, value in zip(["", *words], words, words[1:], strict=False) if before != "!"
    }
    target, target_port = _parse_destination(options["--to-destination"])
    if target is None:
        return
    ports = _parse_ports(options.get("--dport") or options.get("--dports") or "") or [target_port or DISCARD_PORT]
    named = [protocol for protocol in PROTOCOLS if protocol == options.get("-p", protocol)]
    for protocol in named:
        for port in ports:
            yield DnatRule(options.get("-d", ""), port, protocol, target, target_port or port)


def _parse_destination(text: str) -> tuple[str | None, int]:
    """Parse the argument of --to-destination; of a range, the first address and port are used."""
    address, port = text, ""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    first, number = address.partition("-")[0], port.lstrip(":").partition("-")[0].partition("/")[0]
    return (str(ip_address(first)) if first else None), int(number or 0)


def _parse_ports(text: str) -> list[int]:
    return [int(part.partition(":")[0] or 1) for part in text.split(",") if part]


def with_redirects(
    facts: Facts, probe_sockets: Mapping[VantageKey, ProbeSockets]
) -> tuple[tuple[Container, ...], list[str]]:
    """Return the containers with their redirect candidates, and sentences about the rules that cannot be probed."""
    owners = facts.container_addresses | {
        item.address: item.container for item in facts.unmanaged_addresses if item.address
    }
    redirects: dict[str, set[PublishedPort]] = {}
    not_probed = set()
    for rule, addresses in (*_of_host(facts, probe_sockets), *_of_containers(facts, probe_sockets)):
        if name := owners.get(rule.target):
            redirects.setdefault(name, set()).update(rule.publication(address) for address in addresses)
            not_probed |= {rule.sentence(name)} if not addresses else set()
    return tuple(
        replace(c, redirect_candidates=tuple(sorted(redirects.get(c.name, ())))) for c in facts.containers
    ), sorted(not_probed)


def _of_host(
    facts: Facts, probe_sockets: Mapping[VantageKey, ProbeSockets]
) -> Iterator[tuple[DnatRule, Collection[str]]]:
    for rule in _saved_rules(probe_sockets[HOST, ""]):
        wildcard = [WILDCARD[ip_version(rule.target)]]
        yield rule, _matching_addresses(rule, facts.host_addresses) if rule.address else wildcard
    for proxied in proxied_ports():  # a process copies from one version of IP to the other
        rule = DnatRule(proxied.host_address, proxied.host_port, proxied.protocol, proxied.address, proxied.port)
        yield rule, [rule.address]


def _of_containers(
    facts: Facts, probe_sockets: Mapping[VantageKey, ProbeSockets]
) -> Iterator[tuple[DnatRule, Collection[str]]]:
    """Yield the rules of containers on several networks; a redirect inside one network opens no new flow."""
    unmanaged = {item.container for item in facts.unmanaged_addresses}
    for container in facts.containers:
        sockets = probe_sockets.get(("", container.name))
        if (
            sockets
            and sockets is not probe_sockets[HOST, ""]
            and (len(container.attachments) > 1 or container.name in unmanaged)
        ):
            own = [address for attachment in container.attachments for address in attachment.addresses]
            yield from ((rule, _matching_addresses(rule, own)) for rule in _saved_rules(sockets))


def _matching_addresses(rule: DnatRule, addresses: Collection[str]) -> list[str]:
    """Return the addresses that a rule's destination condition matches."""
    same_version = [address for address in addresses if ip_version(address) == ip_version(rule.target)]
    return [address for address in same_version if not rule.address or _in_subnet(address, rule.address)]


def _in_subnet(address: str, subnet: str) -> bool:
    return ip_address(address) in ip_network(subnet, strict=False)


def _saved_rules(sockets: ProbeSockets) -> Iterator[DnatRule]:
    with netns.inside(sockets.descriptor):
        for program in SAVE_COMMANDS:
            names = Path("/proc/thread-self/net", LEGACY_TABLE_NAMES.get(program, ""))
            if program not in LEGACY_TABLE_NAMES or (names.exists() and NAT in names.read_text().split()):
                yield from [*parse_rules(run([program, "-t", NAT]).out.splitlines())]
