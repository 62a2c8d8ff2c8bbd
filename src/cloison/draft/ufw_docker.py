"""The rules of ufw-docker as needs: `ufw-docker allow httpd 80`, and `ufw route allow` for containers.

Input: a project, the resolved document that it was made from, and the text of ufw's user.rules. Output: `Imported`.

    ### tuple ### route:allow tcp 80 172.17.0.3 any 0.0.0.0/0 in comment=616c6c6f77206874747064...
    action, protocol, port and address of the target, port and address of the source, direction, comment in hexadecimal

Rules:
  - ufw-docker decides about packets from other machines to containers and nothing else: what containers do to each
    other and to the internet comes from the file.
  - A container is known by the comment that ufw-docker writes (`allow NAME PORT/PROTOCOL`), or by a fixed address.
Source: https://github.com/chaifeng/ufw-docker/blob/master/ufw-docker, read at 00bf86f; ufw's src/backend_iptables.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloison.compose.project import Project
from cloison.draft.declared_needs import is_loopback
from cloison.draft.imported import Imported, service_of
from cloison.draft.need import Need
from cloison.model.flow import OUTSIDE, Protocol, service_place

ROUTE: Final = "### tuple ### route:"
PORTS: Final = r"[0-9]{1,5}(?::[0-9]{1,5})?"
TUPLE: Final = re.compile(
    rf"(?P<action>[a-z]+)(?:_log(?:-all)?)? (?P<protocol>[a-z]+) (?P<port>any|{PORTS}(?:,{PORTS})*) "
    r"(?P<target>\S+) \S+ (?P<source>\S+)(?: \S+ \S+)? (?:in|out)\S*(?: comment=(?P<comment>(?:[0-9a-fA-F]{2})+))?\s*"
)
COMMENT: Final = re.compile(r"allow (?P<name>[-_.A-Za-z0-9]+)(?: [0-9]+/(?:tcp|udp))?")
EVERYWHERE: Final = ("0.0.0.0/0", "::/0", "any")
NO_ROUTES: Final = (
    "{file}: it has no rule about containers (`ufw route allow`), so ufw-docker lets nobody in from outside"
)
NOT_READ: Final = "{where}: this rule about containers is not understood, and left out"
PRIVATE_CLIENTS: Final = "ufw-docker lets every private address in, whatever its rules; the policy does not"
NOT_ALLOW: Final = "{where}: only rules that allow have a counterpart; the policy closes everything else"
NO_SERVICE: Final = "{where}: no service of the project has the address {address}, and no comment names one"
ANY_CLIENT: Final = "{where}: it lets {source} in; a policy cannot limit the outside by address"
NOT_PUBLISHED: Final = "{where}: {name} publishes no such port, so the line is left out"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule of ufw about packets that are forwarded."""

    where: str
    protocols: tuple[Protocol, ...]
    ports: str
    target: str
    source: str
    name: str

    def covers(self, protocol: str, port: int) -> bool:
        """Whether the rule is about a port: `any`, a number, a list, or ranges such as 80:90."""
        if self.protocols and protocol not in self.protocols:
            return False
        spans = (part.partition(":") for part in self.ports.split(","))
        return self.ports == "any" or any(int(first) <= port <= int(last or first) for first, _, last in spans)


def imported(project: Project, document: Mapping[str, Any], text: str, file: str) -> Imported:
    """Return what the rules of ufw say about the published ports of a project."""
    needs: list[Need] = []
    sentences: list[str] = []
    found = [*_rules(text, file, sentences)]
    for rule in found:
        places = _places(project, document, rule)
        if not places:
            sentences.append(NO_SERVICE.format(where=rule.where, address=rule.target))
        allowed = [need for place in places for need in _needs(project, place, rule)]
        if places and not allowed:
            names = ", ".join(places) if rule.target not in EVERYWHERE else "the project"
            sentences.append(NOT_PUBLISHED.format(where=rule.where, name=names))
        elif allowed and rule.source not in EVERYWHERE:
            sentences.append(ANY_CLIENT.format(where=rule.where, source=rule.source))
        needs += allowed
    sentences += [PRIVATE_CLIENTS] if found else [NO_ROUTES.format(file=file)]
    return Imported(tuple(dict.fromkeys(needs)), tuple(dict.fromkeys(sentences)))


def _rules(text: str, file: str, sentences: list[str]) -> Iterator[_Rule]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith(ROUTE):
            continue  # it is about the host itself, or what iptables-restore reads
        where, match = f"{file}:{number}", TUPLE.fullmatch(line.removeprefix(ROUTE))
        if match is None or match["action"] != "allow":
            sentences.append((NOT_ALLOW if match else NOT_READ).format(where=where))
            continue
        named = COMMENT.fullmatch(bytes.fromhex(match["comment"] or "").decode(errors="replace"))
        protocols = tuple(p for p in (Protocol.TCP, Protocol.UDP) if p == match["protocol"])
        yield _Rule(where, protocols, match["port"], match["target"], match["source"], named["name"] if named else "")


def _places(project: Project, document: Mapping[str, Any], rule: _Rule) -> list[str]:
    """Return the services that a rule is about."""
    if place := rule.name and service_of(project, document, rule.name):
        return [place]
    if rule.target in EVERYWHERE:
        return sorted(name for name, service in project.services.items() if service.ports)
    address = rule.target.partition("/")[0]
    return [
        service_place(key)
        for key, body in sorted(document["services"].items())
        for attachment in (body.get("networks") or {}).values()
        if address in ((attachment or {}).get("ipv4_address"), (attachment or {}).get("ipv6_address"))
    ]


def _needs(project: Project, place: str, rule: _Rule) -> Iterator[Need]:
    for port in project.services[place].ports:
        if rule.covers(port.protocol, port.target) and not is_loopback(port):
            yield Need(OUTSIDE, place, Protocol(port.protocol), port.target, origin=rule.where)
