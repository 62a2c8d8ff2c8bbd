"""Finds ports elsewhere that seem to lead to a container, whoever made them so.

What a packet filter translates, and what a process of the engine's leads on, cannot be met by asking
a container's own addresses. So candidates are read from the rules and from the processes, and asked
like published ports; what they are worth, packets tell.

Rule: a candidate too many costs a probe, one too few is a hole unseen. So the conditions of a rule
are left aside, but for its address, its port and its protocol.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Final

from cloison.linux import listening_sockets, netns
from cloison.linux.subprocesses import run
from cloison.model.facts import HOST, WILDCARD, Container, Facts, Protocol, Publication, version_of
from cloison.probe.sockets import Post

NAT: Final = "nat"
LEGACY: Final = {"iptables-legacy-save": "ip_tables_names", "ip6tables-legacy-save": "ip6_tables_names"}
"""Programs that would make the tables they are asked for, and where the kernel tells whether there are any."""
SAVERS: Final = ("iptables-nft-save", "ip6tables-nft-save", *LEGACY)
PROTOCOLS: Final = (Protocol.TCP, Protocol.UDP)
NO_PORT: Final = 9
"""The port that is asked where a rule translates whatever comes: nothing else listens on it (RFC 863)."""
PROXY: Final = "docker-proxy"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lead:
    """A translation: what is sent to a port at `address` (empty: at any) goes to a port at `target`."""

    address: str
    port: int
    protocol: Protocol
    target: str
    target_port: int

    def publication(self, address: str) -> Publication:
        """Return the door that it makes at an address."""
        return Publication(address, self.port, self.protocol, self.target_port)

    def sentence(self, name: str) -> str:
        """Say what is wrong with it where nobody here holds its address."""
        door = f"{self.address} port {self.port}/{self.protocol}"
        return f"a rule leads {door} to port {self.target_port} of {name}; nobody here holds that address to be asked"


def translations(saved: Iterable[str]) -> Iterator[Lead]:
    """Yield what rules, as iptables-save writes them, lead elsewhere."""
    for line in saved:
        if line.startswith("-A") and " --to-destination " in line:
            yield from _translated(shlex.split(line))


def _translated(words: Sequence[str]) -> Iterator[Lead]:
    told = {word: value for before, word, value in zip(["", *words], words, words[1:], strict=False) if before != "!"}
    target, target_port = _target(told["--to-destination"])
    if target is None:
        return
    ports = _ports(told.get("--dport") or told.get("--dports") or "") or [target_port or NO_PORT]
    named = [protocol for protocol in PROTOCOLS if protocol == told.get("-p", protocol)]
    for protocol in named:
        for port in ports:
            yield Lead(told.get("-d", ""), port, protocol, target, target_port or port)


def _target(text: str) -> tuple[str | None, int]:
    """Read where a rule leads; of a range, its beginning stands for it."""
    address, port = text, ""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    first, number = address.partition("-")[0], port.lstrip(":").partition("-")[0].partition("/")[0]
    return (str(ip_address(first)) if first else None), int(number or 0)


def _ports(text: str) -> list[int]:
    return [int(part.partition(":")[0] or 1) for part in text.split(",") if part]


def led(facts: Facts, posts: Mapping[Key, Post]) -> tuple[tuple[Container, ...], list[str]]:
    """Return the containers with what seems to lead to them, and what cannot be asked, in sentences."""
    held = facts.seats | {item.address: item.container for item in facts.untold if item.address}
    doors: dict[str, set[Publication]] = {}
    unasked = set()
    for lead, addresses in (*_of_host(facts, posts), *_of_containers(facts, posts)):
        if name := held.get(lead.target):
            doors.setdefault(name, set()).update(lead.publication(address) for address in addresses)
            unasked |= {lead.sentence(name)} if not addresses else set()
    return tuple(replace(c, led=tuple(sorted(doors.get(c.name, ())))) for c in facts.containers), sorted(unasked)


def _of_host(facts: Facts, posts: Mapping[Key, Post]) -> Iterator[tuple[Lead, Collection[str]]]:
    for lead in _saved(posts[HOST, ""]):
        anywhere = [WILDCARD[version_of(lead.target)]]
        yield lead, _meant(lead, facts.host_addresses) if lead.address else anywhere
    yield from ((lead, [lead.address]) for lead in _led_on())  # a process leads from one version of IP to the other


def _of_containers(facts: Facts, posts: Mapping[Key, Post]) -> Iterator[tuple[Lead, Collection[str]]]:
    """Yield what those translate who stand in two places: from one alone, nothing is reached that is not reached."""
    strange = {item.container for item in facts.untold}
    for container in facts.containers:
        post = posts.get(("", container.name))
        if post and post is not posts[HOST, ""] and (len(container.attachments) > 1 or container.name in strange):
            own = [address for seat in container.attachments for address in seat.addresses]
            yield from ((lead, _meant(lead, own)) for lead in _saved(post))


def _meant(lead: Lead, held: Collection[str]) -> list[str]:
    """Return at which of the addresses a rule translates."""
    near = [address for address in held if version_of(address) == version_of(lead.target)]
    return [address for address in near if not lead.address or _lies_in(address, lead.address)]


def _lies_in(address: str, told: str) -> bool:
    return ip_address(address) in ip_network(told, strict=False)


def _saved(post: Post) -> Iterator[Lead]:
    with netns.inside(post.descriptor):
        for program in SAVERS:
            names = Path("/proc/thread-self/net", LEGACY.get(program, ""))
            if program not in LEGACY or (names.exists() and NAT in names.read_text().split()):
                yield from [*translations(run([program, "-t", NAT]).out.splitlines())]


def _led_on() -> Iterator[Lead]:
    """Yield where the engine's processes at published ports lead, those included that the engine has forgotten."""
    for words in listening_sockets.commands(PROXY):
        told = dict(pairwise(words))
        if {"-proto", "-host-port", "-container-ip", "-container-port"} <= told.keys():
            yield Lead(
                told.get("-host-ip", ""),
                int(told["-host-port"]),
                Protocol(told["-proto"]),
                told["-container-ip"],
                int(told["-container-port"]),
            )
