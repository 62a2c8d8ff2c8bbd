"""The flow rules of a policy: `sources -> targets[:ports[/protocol]]`, and the sentences that refuse an invalid one.

    web, api -> db:3306,33060           # lists of places and of ports
    app -> media:8000-8100/udp          # a range; a protocol after the last port: tcp (the default), udp or sctp
    backends -> db, cache               # a group of services; without ports, every port
    * -> dns:53/udp                     # every service of the project; never `host`, `outside` or a foreign container
    app -> outside via vpn              # the egress network of app has to be vpn

Input: the text of a flow, and the names that the project has. Output: one `PolicyRule` for each pair of places and each
port or range; or a PolicyError with the position, the error and what to write.
Rule: a text that can be read in two ways is refused. docs/policy.md is the reference, and a test runs its examples.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Final

from cloison.compose.project import Project
from cloison.compose.schema import MAX_PORT
from cloison.compose.suggest import suggestion
from cloison.errors import PolicyError, UnknownServiceError
from cloison.model.flow import (
    FOREIGN,
    HOST,
    OUTSIDE,
    SERVICE_PREFIX,
    TRANSPORT_PROTOCOLS,
    Endpoint,
    EndpointKind,
    Flow,
    Protocol,
)

ANY_PLACE: Final = "*"
ARROW: Final = "->"
SYNTAX: Final = 'write "source -> target[:port[/proto]]", e.g. "app -> db:3306"'
WRONG_ARROW: Final = re.compile(r"\s*(?:-->|-\s+>|=>|→|⟶|(?<![-<])>)\s*")
TARGET: Final = re.compile(rf"(?P<name>(?:{FOREIGN}|{SERVICE_PREFIX}(?![0-9]))?[^:/]*)(?::(?P<ports>.*))?")
PORTS: Final = re.compile(r"(?P<first>[0-9]{1,5})(?:\s*-\s*(?P<last>[0-9]{1,5}))?(?:/(?P<protocol>\w*))?")
VIA: Final = re.compile(r"\svia(?:\s|$)")
WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("internet", "world", "wan", "lan", "external", "public"), OUTSIDE),
    **dict.fromkeys(("localhost", "machine", "node"), HOST),
    **dict.fromkeys(("any", "all", "everyone", "everything", "services"), ANY_PLACE),
}
"""Words that people write for a place, and the policy's word for it."""
PORT_NAMES: Final[Mapping[str, int]] = {
    "dns": 53, "domain": 53, "http": 80, "https": 443, "imap": 143, "ldap": 389, "mysql": 3306, "postgres": 5432,
    "postgresql": 5432, "redis": 6379, "smtp": 25, "ssh": 22,
}  # fmt: skip
"""Names of ports, for the suggestion: https://www.iana.org/assignments/service-names-port-numbers"""
quoted: Final = reprlib.Repr()
"""Quotes an invalid value in an error, shortened in length and depth."""
quoted.maxstring = quoted.maxother = 60


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One flow rule: a pair of places, and every port, one port or a range. `where` is its position in the policy."""

    source: str
    target: str
    port: int | None
    protocol: Protocol
    where: str
    text: str
    """The flow as the policy writes it; several rules may come from one text."""
    last_port: int = 0
    """The last port of a range, 0 where there is none."""
    via: str = ""
    """The engine's name of the network that has to carry a flow to `outside`, empty for any."""

    @property
    def has_wildcard(self) -> bool:
        """Whether the source or the target is `*`."""
        return ANY_PLACE in (self.source, self.target)

    @property
    def names_foreign(self) -> bool:
        """Whether a place of the rule is a foreign container, which only a running project has."""
        return self.source.startswith(FOREIGN) or self.target.startswith(FOREIGN)

    @property
    def port_text(self) -> str:
        """The port or the range with its protocol, such as 53/udp."""
        return f"{self.port}{f'-{self.last_port}' if self.last_port else ''}/{self.protocol}"

    def ends(self) -> set[tuple[Protocol, int]]:
        """Return the port, or both ends of a range; none for a rule about every port."""
        return {(self.protocol, port) for port in (self.port, self.last_port or self.port) if port is not None}

    def covers(self, protocol: str, port: int) -> bool:
        """Whether the rule is about a port."""
        if self.port is None:
            return True
        return protocol == self.protocol and self.port <= port <= (self.last_port or self.port)

    def matches(self, flow: Flow) -> bool:
        """Whether the rule matches `flow`."""
        end = flow.endpoint
        return self.matches_places(flow.vantage.place, end.place) and self.covers(end.protocol, end.service_port)

    def matches_places(self, source: str, target: str) -> bool:
        """Whether the rule is about flows from one place to another."""
        return _matches_place(self.source, source) and _matches_place(self.target, target)

    def needs(self, end: Endpoint) -> bool:
        """Whether the rule needs the port of an endpoint: of a range only the ports at which a process listens."""
        return not (self.last_port and end.kind is EndpointKind.DECLARED)


def _matches_place(name: str, place: str) -> bool:
    """Whether a name of the policy matches a place; `*` matches every service of the project and nothing else."""
    return name == place or (name == ANY_PLACE and place not in (HOST, OUTSIDE) and not place.startswith(FOREIGN))


class RulesByPlaces:
    """Finds the rules between two places: a policy may have as many rules as the project has services."""

    def __init__(self, rules: Iterable[PolicyRule]) -> None:
        self._by_source: dict[str, list[tuple[int, PolicyRule]]] = {}
        for position, rule in enumerate(rules):
            self._by_source.setdefault(rule.source, []).append((position, rule))
        self._found: dict[tuple[str, str], tuple[PolicyRule, ...]] = {}

    def between(self, source: str, target: str) -> tuple[PolicyRule, ...]:
        """Return the rules that match flows from `source` to `target`, in their order."""
        found = self._found.get((source, target))
        if found is None:
            named = [ranked for name in {source, ANY_PLACE} for ranked in self._by_source.get(name, ())]
            matching = (ranked for ranked in named if ranked[1].matches_places(source, target))
            found = tuple(rule for _, rule in sorted(matching, key=itemgetter(0)))
            self._found[source, target] = found
        return found


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a flow may use: the project's services, and the groups of the policy with their members."""

    project: Project
    groups: Mapping[str, tuple[str, ...]]

    def places(self, name: str, where: str) -> tuple[str, ...]:
        """Return the places of a name.

        Raises PolicyError when the project has none of this name, or two.
        """
        services = self.project.services
        if name in (HOST, OUTSIDE) and SERVICE_PREFIX + name in services:
            raise PolicyError(
                f'{where}: "{name}" is a service of the file and a word of the policy; write "{SERVICE_PREFIX}{name}" '
                "for the service, or rename it"
            )
        if name in services or name in (HOST, OUTSIDE, ANY_PLACE) or name.startswith(FOREIGN):
            return (name,)
        if name.startswith(SERVICE_PREFIX) and name.removeprefix(SERVICE_PREFIX) in services:
            return (name.removeprefix(SERVICE_PREFIX),)
        if name in self.groups:
            return self.groups[name]
        raise UnknownServiceError(f"{where}: {self._unknown(name)}", name.removeprefix(SERVICE_PREFIX), where)

    def _unknown(self, name: str) -> str:
        if word := WORDS.get(name.casefold()):
            return f'no service "{name}"; did you mean "{word}"?'
        if " " in name:
            return f'no service "{name}"; separate names by commas'
        return (
            f'no service "{name}"{suggestion(name, (*self.project.services, *self.groups, HOST, OUTSIDE, ANY_PLACE))}'
        )


@dataclass(frozen=True, slots=True)
class _Targets:
    """Targets of a flow that have the same ports: none means every port."""

    names: tuple[str, ...]
    ports: tuple[str, ...]


def parse_flow(names: Names, text: Any, where: str) -> list[PolicyRule]:
    """Return the rules of a flow; `where` is its position.

    Raises PolicyError for a text that is not a flow, and for a name or a port that does not exist.
    """
    left, right = _sides(text, where)
    right, key = _split_via(right)
    sources = [place for name in _listed(left, where) for place in names.places(name, where)]
    written, found = " ".join(text.split()), []
    for part in _targets(right, where):
        targets = [(name, place) for name in part.names for place in names.places(name, where)]
        ports = _ports(part.ports, where)
        for name, place in targets:
            if place == OUTSIDE and part.ports:
                whole = f"{' '.join(left.split())} {ARROW} {OUTSIDE}"
                raise PolicyError(f'{where}: "{name}" has no ports in a policy; write "{whole}"')
        found += [
            # A service that shares a namespace is reached at the addresses of the namespace's owner.
            PolicyRule(source, names.project.owner(place), first, protocol, where, written, last)
            for source in sources
            for _, place in targets
            for first, last, protocol in ports
            if source != place or len(sources) == len(targets) == 1
        ]
    via = "" if key is None else _via(names.project, key, found, where)
    return [replace(rule, via=via) for rule in dict.fromkeys(found)]


def _split_via(right: str) -> tuple[str, str | None]:
    """Return the targets of a flow and the key of the network after `via`, None without it."""
    targets, *key = VIA.split(right, maxsplit=1)
    return targets, " ".join(key[0].split()) if key else None


def _via(project: Project, key: str, rules: Iterable[PolicyRule], where: str) -> str:
    """Return the engine's name of the network that has to carry the flows of these rules.

    Raises PolicyError where it cannot: another target than `outside`, or a source that is not on the network.
    """
    if key not in project.networks:
        raise PolicyError(f'{where}: no network "{key}"{suggestion(key, project.networks)}')
    name = project.networks[key].name
    for rule in rules:
        if rule.target != OUTSIDE:
            raise PolicyError(
                f'{where}: "via" belongs to "{OUTSIDE}" alone; write a rule of its own for "{rule.target}"'
            )
        if rule.source != ANY_PLACE and name not in project.attached_networks(rule.source):
            raise PolicyError(f'{where}: "{rule.source}" is not on the network "{key}"; name one of its networks')
    return name


def without_places(text: str, excluded: Collection[str]) -> str:
    """Return a flow without some names of its lists, empty where one side has no other name.

    A text that is not a flow is returned as it is: parsing it gives the error.
    """
    try:
        left, right = _sides(text, "")
        right, via = _split_via(right)
        sources, targets = _listed(left, ""), _targets(right, "")
    except PolicyError:
        return text
    named = {*sources, *(name for part in targets for name in part.names)}
    if named.isdisjoint(excluded):
        return text
    kept = [
        f"{', '.join(names)}{':' if part.ports else ''}{','.join(part.ports)}"
        for part in targets
        if (names := [name for name in part.names if name not in excluded])
    ]
    remaining = [name for name in sources if name not in excluded]
    flow = f"{', '.join(remaining)} {ARROW} {', '.join(kept)}" if remaining and kept else ""
    return f"{flow} via {via}" if flow and via else flow


def _sides(text: Any, where: str) -> tuple[str, str]:
    if isinstance(text, Mapping) and len(text) == 1 and ARROW in str(key := next(iter(text))):
        raise PolicyError(f'{where}: this is a mapping; write the port without a space: "{key}:{text[key]}"')
    if not isinstance(text, str):
        raise PolicyError(f"{where}: {quoted.repr(text)} is not a flow; {SYNTAX}")
    if "-->" not in text and text.count(ARROW) == 1:
        left, _, right = text.partition(ARROW)
        if left.strip() and right.strip():
            return left, right
    elif len(WRONG_ARROW.findall(text)) == 1 and text.count(ARROW) <= 1:
        fixed = " ".join(WRONG_ARROW.sub(f" {ARROW} ", text).split())
        raise PolicyError(f'{where}: {quoted.repr(text)} is not a flow, the arrow is "{ARROW}"; write "{fixed}"')
    raise PolicyError(f"{where}: {quoted.repr(text)} is not a flow; {SYNTAX}")


def _listed(text: str, where: str) -> list[str]:
    """Return the names of a list."""
    names = [" ".join(name.split()) for name in text.split(",")]
    if not all(names):
        raise PolicyError(f"{where}: {quoted.repr(text.strip())} has an empty name; remove the comma")
    return names


def _targets(text: str, where: str) -> list[_Targets]:
    """Return the targets of a flow with their ports: ports belong to all targets before them that have none."""
    found: list[_Targets] = []
    names: list[str] = []
    for item in _listed(text, where):
        if found and found[-1].ports and not names and PORTS.fullmatch(item):
            found[-1] = _Targets(found[-1].names, (*found[-1].ports, item))
            continue
        match = TARGET.fullmatch(item)
        if match is None or not match["name"].strip():
            raise PolicyError(f"{where}: {quoted.repr(item)} is not a target; {SYNTAX}")
        names.append(match["name"].strip())
        if match["ports"] is not None:
            found.append(_Targets(tuple(names), (match["ports"].strip(),)))
            names = []
    if names and found:
        raise PolicyError(
            f'{where}: "{names[0]}" has no ports and "{found[-1].names[-1]}" has; write the ports of each target, '
            "or a rule for each"
        )
    return found or [_Targets(tuple(names), ())]


def _ports(texts: tuple[str, ...], where: str) -> list[tuple[int | None, int, Protocol]]:
    """Return (first port, last port of a range or 0, protocol) of a list of ports; a protocol is that of all."""
    if not texts:
        return [(None, 0, Protocol.TCP)]
    matches = [_port_match(text, where) for text in texts]
    if any(match["protocol"] is not None for match in matches[:-1]):
        raise PolicyError(f"{where}: the protocol of {', '.join(texts)} belongs after the last port; write two rules")
    protocol = _protocol(matches[-1]["protocol"], where)
    return [(*_span(match, where), protocol) for match in matches]


def _port_match(text: str, where: str) -> re.Match[str]:
    match = PORTS.fullmatch(text)
    if match is None:
        number = PORT_NAMES.get(text.partition("/")[0].casefold())
        hint = (
            f"write {number}" if number else f"write a number or a range of 1 to {MAX_PORT}, e.g. 80 or 8000-8100/udp"
        )
        raise PolicyError(f"{where}: {quoted.repr(text)} is not a port; {hint}")
    return match


def _span(match: re.Match[str], where: str) -> tuple[int, int]:
    first, last = int(match["first"]), int(match["last"] or 0)
    for number in (first, *([last] if match["last"] else [])):
        if not 1 <= number <= MAX_PORT:
            raise PolicyError(f"{where}: {number} is not a port; ports are 1 to {MAX_PORT}")
    if match["last"] and last <= first:
        raise PolicyError(f"{where}: {first}-{last} is not a range; write the smaller port first")
    return first, last


def _protocol(text: str | None, where: str) -> Protocol:
    if text is None:
        return Protocol.TCP
    known = {protocol.value: protocol for protocol in TRANSPORT_PROTOCOLS}
    if text not in known:
        raise PolicyError(f'{where}: no protocol "{text}"; write tcp, udp or sctp')
    return known[text]
