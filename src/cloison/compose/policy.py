"""The policy of a project, the value of `x-cloison`: which flows it allows and which open flows it tolerates.

    allow:
      - outside -> proxy:80                 # source -> target[:port[/proto]]
    tolerate:
      - network: backend_net                # flows between members that exist only because they share it
        why: Docker has no policy inside a network
      - flow: proxy -> outside
        why: frontend_net must not be internal
      - device: eth1                        # a device on a network; it is unknown what it reaches
        why: the cable to the printer

Input: a `Project` with its raw policy. Output: a frozen `Policy`, or a PolicyError with the position.
Rule: a name that the project does not have is an error with a suggestion, because a rule that matches no flow
would pass without a test.
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
TOLERABLE: Final = frozenset({"flow", "network", "device"})
"""The keys of a toleration that name what is tolerated."""
DEVICE_PATTERN: Final = re.compile(r"^[^\s/]+$")
_quoted: Final = reprlib.Repr()
"""Quotes an invalid value in an error, shortened in length and depth."""
_quoted.maxstring = _quoted.maxother = 60


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One flow rule of the policy. `where` is its position, for errors and reports."""

    source: str
    target: str
    port: int | None
    protocol: Protocol
    where: str
    text: str

    @property
    def has_wildcard(self) -> bool:
        """Whether the source or the target is `*`."""
        return ANY_PLACE in (self.source, self.target)

    def matches(self, flow: Flow) -> bool:
        """Whether the rule matches `flow`."""
        end = flow.endpoint
        return (
            _matches_place(self.source, flow.vantage.place)
            and _matches_place(self.target, end.place)
            and (self.port is None or (self.port, self.protocol) == (end.service_port, end.protocol))
        )


def _matches_place(name: str, place: str) -> bool:
    """Whether a name of the policy matches a place; `*` matches every place but foreign containers."""
    return name == place or (name == ANY_PLACE and not place.startswith(FOREIGN))


@dataclass(frozen=True, slots=True)
class Toleration:
    """A flow, a network or a device that the policy accepts: exactly one of `rule`, `network` and `device` is set."""

    why: str
    where: str
    rule: PolicyRule | None = None
    network: str = ""
    """The key of the network in the file."""
    device: str = ""
    """The name of a device on a network of the project of which it is unknown what it reaches."""

    @property
    def text(self) -> str:
        """The tolerated flow, network or device, as the policy writes it."""
        if self.rule:
            return self.rule.text
        return f"network {self.network}" if self.network else f"device {self.device}"


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that allow flows, and the tolerations."""

    allow: tuple[PolicyRule, ...]
    tolerate: tuple[Toleration, ...]


def policy(project: Project) -> Policy | None:
    """Return the project's policy, None when the file has none.

    Raises PolicyError with the position of the first error.
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
    """Raise PolicyError for a rule whose port neither the file, the image nor any process of the service has.

    `known` maps each running service to its ports; rules about other places are not checked.
    """
    flow_rules = [*rules.allow, *(toleration.rule for toleration in rules.tolerate if toleration.rule)]
    for rule in flow_rules:
        ports = known.get(rule.target)
        if rule.port is None or ports is None or (rule.protocol, rule.port) in ports:
            continue
        raise PolicyError(
            f'{rule.where}: service "{rule.target}" has no port {rule.port}/{rule.protocol}; '
            f"{_port_hint(ports)}. Declare a port that has no listener yet with `expose`",
        )


def check_rules_match(rules: Policy, flows: Iterable[Flow], completed: Collection[str] = ()) -> None:
    """Raise PolicyError for an `allow` rule that matches no flow: it would hold without a test.

    Rules about services of `completed`, which have run and ended, are not checked: these have no flows.
    """
    asked = list(flows)
    for rule in rules.allow:
        if not {rule.source, rule.target}.isdisjoint(completed):
            continue
        if not any(rule.matches(flow) for flow in asked):
            raise PolicyError(
                f'{rule.where}: "{rule.text}" matches no flow of this project; {_cover_hint(rule, asked)}'
            )


def _cover_hint(rule: PolicyRule, asked: Iterable[Flow]) -> str:
    """Return why a rule matches no flow: the host is a known place, but may have no such listener."""
    if rule.target == HOST and any(replace(rule, port=None).matches(flow) for flow in asked):
        return (
            f"no process of the host is known to listen on port {rule.port}/{rule.protocol} beyond loopback; "
            f'start one, or write "{rule.source} -> {HOST}", which covers every port'
        )
    return "source and target must be different places, and one of them a service with its own address"


def tolerated_devices(rules: Policy | None) -> frozenset[str]:
    """Return the names of the devices that the policy tolerates."""
    return frozenset(toleration.device for toleration in rules.tolerate if toleration.device) if rules else frozenset()


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
        raise PolicyError(f'{where}: "{OUTSIDE}" has no ports in a policy; write "{whole}"')
    return PolicyRule(
        match["source"],
        # A service that shares a namespace is reached at the addresses of the namespace's owner.
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
        raise PolicyError(f"{where}: {text} is not a port; ports are 1 to {MAX_PORT}")
    return int(text)


def _protocol(text: str | None, where: str) -> Protocol:
    known = {protocol.value: protocol for protocol in TRANSPORT_PROTOCOLS}
    if (text or "tcp") not in known:
        raise PolicyError(f'{where}: no protocol "{text}"; write tcp, udp or sctp')
    return known[text or "tcp"]


def _toleration(project: Project, body: Any, where: str) -> Toleration:
    _mapping(body, where, {*TOLERABLE, "why"})
    why = _text(body.get("why"))
    if not why:
        raise PolicyError(f"{where}: the toleration gives no reason; add `why:`")
    if len(TOLERABLE & body.keys()) != 1:
        raise PolicyError(f"{where}: a toleration needs exactly one of `flow:`, `network:` and `device:`")
    if "device" in body:
        return Toleration(why, where, device=_device(body["device"], f"{where}.device"))
    if "flow" in body:
        return Toleration(why, where, rule=_rule(project, body["flow"], f"{where}.flow"))
    key = body["network"]
    if not isinstance(key, str) or key not in project.networks:
        raise PolicyError(f'{where}.network: no network "{key}"{suggestion(str(key), project.networks)}')
    return Toleration(why, where, network=key)


def _device(name: Any, where: str) -> str:
    if not isinstance(name, str) or not DEVICE_PATTERN.match(name):
        raise PolicyError(
            f"{where}: {_quoted.repr(name)} is not a device; write the name that the report gives it, e.g. eth1"
        )
    return name


def _text(body: Any) -> str:
    """Return a text without surrounding space, empty for other values; a lone surrogate becomes `?`."""
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
    return f"it has {_listed(f'{port}/{protocol}' for protocol, port in ports)}" if ports else "it has no listener"
