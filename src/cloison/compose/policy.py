"""The policy: what its owner intends, as it stands under `x-cloison`.

    allow:
      - outside -> proxy:80                 # source -> target[:port[/proto]]
    tolerate:
      - network: backend_net                # what its members can do only because they share it
        why: Docker has no policy inside a network
      - flow: proxy -> outside
        why: frontend_net must not be internal

Rule: a name that the project does not have is an error with its position and a suggestion. A rule
that covers nothing would pass for the wrong reason.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cloison.compose.project import POLICY_KEY, Project
from cloison.compose.schema import MAX_PORT
from cloison.compose.suggest import suggestion
from cloison.errors import PolicyError
from cloison.model.flow import FOREIGN, HOST, OUTSIDE, TRANSPORT_PROTOCOLS, Flow, Protocol

ANY_PLACE: Final = "*"
FLOW_PATTERN: Final = re.compile(
    r"^\s*(?P<source>\S+)\s*->\s*(?P<target>[^\s:/]+)(?::(?P<port>[0-9]{1,5})(?:/(?P<protocol>\w+))?)?\s*$",
)
_quoted: Final = reprlib.Repr()
"""Quotes what is no policy: a glance at it, however long and deep it is."""
_quoted.maxstring = _quoted.maxother = 60


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One arrow of the policy. `where` is its position, for messages and reports."""

    source: str
    target: str
    port: int | None
    protocol: Protocol
    where: str
    text: str

    @property
    def has_wildcard(self) -> bool:
        """Whether the rule speaks about places that it does not name."""
        return ANY_PLACE in (self.source, self.target)

    def matches(self, flow: Flow) -> bool:
        """Whether the rule speaks about `flow`."""
        end = flow.endpoint
        return (
            _matches_place(self.source, flow.vantage.place)
            and _matches_place(self.target, end.place)
            and (self.port is None or (self.port, self.protocol) == (end.service_port, end.protocol))
        )


def _matches_place(name: str, place: str) -> bool:
    """Whether a name of the policy means a place: a star means all that are known, and a stranger is not."""
    return name == place or (name == ANY_PLACE and not place.startswith(FOREIGN))


@dataclass(frozen=True, slots=True)
class Toleration:
    """A flow or a network that is open, known and accepted: exactly one of `rule` and `network` is set."""

    why: str
    where: str
    rule: PolicyRule | None = None
    network: str = ""
    """The file's key of the network."""

    @property
    def text(self) -> str:
        """What is tolerated, as the file says it."""
        return self.rule.text if self.rule else f"network {self.network}"


@dataclass(frozen=True, slots=True)
class Policy:
    """All that the owner said."""

    allow: tuple[PolicyRule, ...]
    tolerate: tuple[Toleration, ...]


def policy(project: Project) -> Policy | None:
    """Read the project's policy; None when the file has none.

    Raises PolicyError with the position of what is wrong.
    """
    raw = project.policy
    if raw is None:
        return None
    _mapping(raw, POLICY_KEY, {"allow", "tolerate"})
    allow = [_rule(project, text, f"{POLICY_KEY}.allow[{i}]") for i, text in enumerate(_list(raw, "allow", POLICY_KEY))]
    tolerate = [
        _toleration(project, body, f"{POLICY_KEY}.tolerate[{i}]")
        for i, body in enumerate(_list(raw, "tolerate", POLICY_KEY))
    ]
    return Policy(tuple(allow), tuple(tolerate))


def check_ports(rules: Policy, known: Mapping[str, Collection[tuple[Protocol, int]]]) -> None:
    """Refuse a rule whose port neither the file, the image nor any process of the service has.

    `known` maps a service that runs to its ports; rules about other places are not checked.
    """
    flow_rules = [*rules.allow, *(toleration.rule for toleration in rules.tolerate if toleration.rule)]
    for rule in flow_rules:
        ports = known.get(rule.target)
        if rule.port is None or ports is None or (rule.protocol, rule.port) in ports:
            continue
        raise PolicyError(
            f'{rule.where}: service "{rule.target}" has no port {rule.port}/{rule.protocol}; '
            f"{_port_hint(ports)}. A port that nobody listens on yet can be declared with `expose`",
        )


def check_rules_match(rules: Policy, flows: Iterable[Flow], completed: Collection[str] = ()) -> None:
    """Refuse an allowed arrow that speaks about no flow at all: it would hold without having been looked at.

    Services that ran and have ended (`finished`) have no flows, and that is in order.
    """
    asked = list(flows)
    for rule in rules.allow:
        if not {rule.source, rule.target}.isdisjoint(completed):
            continue
        if not any(rule.matches(flow) for flow in asked):
            raise PolicyError(f'{rule.where}: "{rule.text}" covers no flow of this project; {_cover_hint(rule, asked)}')


def _cover_hint(rule: PolicyRule, asked: Iterable[Flow]) -> str:
    """Say why a rule covers nothing: the host may have the place and not the port."""
    if rule.target == HOST and any(replace(rule, port=None).matches(flow) for flow in asked):
        return (
            f"nobody is known to listen on port {rule.port}/{rule.protocol} of the host where others get; "
            f'have it listen on more than loopback, or write "{rule.source} -> {HOST}", which covers every port'
        )
    return "its two ends must be two places, one of them a service with an address of its own"


def named_ports(rules: Policy | None, place: str) -> set[tuple[Protocol, int]]:
    """Return the ports of `place` that the policy's `allow` names."""
    flow_rules = rules.allow if rules else ()
    return {(rule.protocol, rule.port) for rule in flow_rules if rule.target == place and rule.port is not None}


def _rule(project: Project, text: Any, where: str) -> PolicyRule:
    match = FLOW_PATTERN.match(text) if isinstance(text, str) else None
    if match is None:
        raise PolicyError(
            f"{where}: {_quoted.repr(text)} is not a flow; "
            'write "source -> target[:port[/proto]]", e.g. "app -> db:3306"'
        )
    places = (*project.services, HOST, OUTSIDE, ANY_PLACE)
    for name in (match["source"], match["target"]):
        if name not in places:
            raise PolicyError(f'{where}: no service "{name}"{suggestion(name, places)}')
    if match["target"] == OUTSIDE and match["port"]:
        whole = f"{match['source']} -> {OUTSIDE}"
        raise PolicyError(f'{where}: "{OUTSIDE}" is looked at as a whole, not by port; write "{whole}"')
    return PolicyRule(
        match["source"],
        # A service in another's namespace is reached at the other's addresses.
        project.owner(match["target"]),
        _port(match["port"], where),
        _protocol(match["protocol"], where),
        where,
        " ".join(text.split()),
    )


def _port(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    if not 1 <= int(text) <= MAX_PORT:
        raise PolicyError(f"{where}: {text} is not a port; ports go from 1 to {MAX_PORT}")
    return int(text)


def _protocol(text: str | None, where: str) -> Protocol:
    known = {protocol.value: protocol for protocol in TRANSPORT_PROTOCOLS}
    if (text or "tcp") not in known:
        raise PolicyError(f'{where}: no protocol "{text}"; write tcp or udp')
    return known[text or "tcp"]


def _toleration(project: Project, body: Any, where: str) -> Toleration:
    _mapping(body, where, {"flow", "network", "why"})
    why = _text(body.get("why"))
    if not why:
        raise PolicyError(f"{where}: a toleration says why; add a `why:` that its next reader can judge")
    if ("flow" in body) == ("network" in body):
        raise PolicyError(f"{where}: a toleration names either a `flow:` or a `network:`")
    if "flow" in body:
        return Toleration(why, where, rule=_rule(project, body["flow"], f"{where}.flow"))
    key = body["network"]
    if not isinstance(key, str) or key not in project.networks:
        raise PolicyError(f'{where}.network: no network "{key}"{suggestion(str(key), project.networks)}')
    return Toleration(why, where, network=key)


def _text(body: Any) -> str:
    """Return a text without the space around it, empty for what is none; half a surrogate pair is no character."""
    return body.strip().encode(errors="replace").decode() if isinstance(body, str) else ""


def _mapping(body: Any, where: str, keys: set[str]) -> None:
    if not isinstance(body, Mapping):
        raise PolicyError(f"{where}: expected a mapping with {_listed(keys)}, found {_quoted.repr(body)}")
    for key in body:
        if key not in keys:
            raise PolicyError(f'{where}: no key "{key}"{suggestion(str(key), keys)}')


def _list(body: Mapping[str, Any], key: str, where: str) -> list[Any]:
    items = body.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise PolicyError(f"{where}.{key}: expected a list, found {_quoted.repr(items)}")
    return items


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _port_hint(ports: Collection[tuple[Protocol, int]]) -> str:
    return f"it has {_listed(f'{port}/{protocol}' for protocol, port in ports)}" if ports else "nothing in it listens"
