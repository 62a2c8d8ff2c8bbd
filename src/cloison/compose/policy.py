"""The policy of a project, the value of `x-cloison`: which flows it allows and which open flows it tolerates.

    groups: {backends: [api, worker]}       # names for several services
    allow:
      - outside -> proxy:80                 # the language of a flow: see `compose.flow_rule` and docs/policy.md
    tolerate:
      - network: backend_net                # flows between members that exist only because they share it
        why: Docker has no policy inside a network
      - flow: proxy -> outside
        why: frontend_net must not be internal
        keep: true                          # enforcement leaves it open
      - device: eth1                        # a device on a network; it is unknown what it reaches
        why: the cable to the printer

Input: a `Project` with its raw policy. Output: a frozen `Policy`, or a PolicyError with the position.
Rule: a name that the project does not have is an error with a suggestion, because a rule that matches no flow
would pass without a test.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

from cloison.compose.flow_rule import ANY_PLACE, Names, PolicyRule, parse_flow, quoted
from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.project import Project
from cloison.compose.suggest import suggestion
from cloison.errors import PolicyError
from cloison.model.flow import FOREIGN, HOST, OUTSIDE, Flow, Protocol

GROUP_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")
POLICY_KEYS: Final = frozenset({"allow", "enforce", "groups", "tolerate"})
"""The keys of a policy."""
TOLERABLE: Final = frozenset({"flow", "network", "device"})
"""The keys of a toleration that name what is tolerated."""
TOLERATION_KEYS: Final = TOLERABLE | {"why", "keep"}
"""The keys of a toleration."""
DEVICE_NAME: Final = re.compile(r"[^\s/]+")


@dataclass(frozen=True, slots=True)
class Toleration:
    """A flow, a network or a device that the policy accepts: exactly one of `rule`, `network` and `device` is set."""

    why: str
    where: str
    rule: PolicyRule | None = None
    network: str = ""
    """The key of the network in the file."""
    keep: bool = False
    """Whether enforcement leaves the tolerated flows open, too."""
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
    enforce: bool = False
    """Whether `cloison up` and `cloison watch` enforce the policy without being asked."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def policy(project: Project) -> Policy | None:
    """Return the project's policy, None when the file has none.

    Raises PolicyError with the position of the first error.
    """
    raw = project.policy
    if raw is None:
        return None
    _mapping(raw, POLICY_KEY, POLICY_KEYS)
    names = Names(project, _groups(project, raw.get("groups"), f"{POLICY_KEY}.groups"))
    allow = [
        rule
        for i, text in enumerate(_list(raw, "allow", POLICY_KEY))
        for rule in parse_flow(names, text, f"{POLICY_KEY}.allow[{i}]")
    ]
    tolerate = [
        toleration
        for i, body in enumerate(_list(raw, "tolerate", POLICY_KEY))
        for toleration in _tolerations(names, body, f"{POLICY_KEY}.tolerate[{i}]")
    ]
    return Policy(tuple(allow), tuple(tolerate), _enforce(raw), names.groups)


def _enforce(raw: Mapping[str, Any]) -> bool:
    found = raw.get("enforce", False)
    if not isinstance(found, bool):
        raise PolicyError(f"{POLICY_KEY}.enforce: expected true or false, found {quoted.repr(found)}")
    return found


def check_publications(project: Project) -> None:
    """Raise PolicyError for the first rule that `check_publication` refuses."""
    rules = policy(project)
    for rule in rules.allow if rules else ():
        check_publication(project, rule)


def check_publication(project: Project, rule: PolicyRule) -> None:
    """Raise PolicyError for a rule that opens a port to the outside that a service does not publish.

    A service that publishes no port at all is not checked: the rule is then broken, and the report says why.
    """
    sharers = [s for s in project.services.values() if project.owner(s.name) == rule.target and s.network_mode != HOST]
    ports = [port for service in sharers for port in service.ports]
    if rule.source != OUTSIDE or not ports or any(rule.covers(port.protocol, port.target) for port in ports):
        return
    published = sorted({f"{port.target}/{port.protocol}" for port in ports})
    raise PolicyError(
        f'{rule.where}: service "{rule.target}" publishes no port {rule.port_text}; it publishes '
        f"{', '.join(published)} (a policy names the container's port, not the host's)"
    )


def _groups(project: Project, body: Any, where: str) -> dict[str, tuple[str, ...]]:
    """Return the groups with their members, which are services of the project."""
    if body is None:
        return {}
    if not isinstance(body, Mapping):
        raise PolicyError(f"{where}: expected a mapping of names to lists of services, found {quoted.repr(body)}")
    services = Names(project, {})
    return {name: _members(services, name, members, f"{where}.{name}") for name, members in body.items()}


def _members(names: Names, group: Any, members: Any, where: str) -> tuple[str, ...]:
    if not isinstance(group, str) or not GROUP_NAME.fullmatch(group):
        raise PolicyError(f"{where}: a group's name has letters, digits and . _ - only")
    if group in names.project.services or group in (HOST, OUTSIDE):
        raise PolicyError(f'{where}: "{group}" names a place already; give the group another name')
    if not isinstance(members, list):
        raise PolicyError(f"{where}: expected a list of services, found {quoted.repr(members)}; write [api, worker]")
    if not members:
        raise PolicyError(f"{where}: the group is empty; name its services, or remove it")
    found = [place for member in members for place in names.places(str(member), where)]
    for place in found:
        if place in (HOST, OUTSIDE, ANY_PLACE) or place.startswith(FOREIGN):
            raise PolicyError(f'{where}: "{place}" is not a service; a group has services only')
    return tuple(dict.fromkeys(found))


def flow_rules(rules: Policy | None) -> list[PolicyRule]:
    """Return the rules about flows: those of `allow`, then those of the tolerations."""
    if rules is None:
        return []
    return [*rules.allow, *(toleration.rule for toleration in rules.tolerate if toleration.rule)]


def check_ports(rules: Policy, known: Mapping[str, Collection[tuple[Protocol, int]]]) -> None:
    """Raise PolicyError for a rule whose port neither the file, the image nor any process of the service has.

    `known` maps each running service to its ports; rules about other places are not checked.
    """
    for rule in flow_rules(rules):
        ports = known.get(rule.target)
        if rule.port is None or ports is None or any(rule.covers(*port) for port in ports):
            continue
        raise PolicyError(
            f'{rule.where}: service "{rule.target}" has no port {rule.port_text}; '
            f"{_ports_hint(ports)}. Declare a port that has no listener yet with `expose`",
        )


def check_rules_match(rules: Policy, flows: Iterable[Flow], completed: Collection[str] = ()) -> None:
    """Raise PolicyError for an `allow` rule that matches no flow: it would hold without a test.

    Rules about services of `completed`, which have run and ended, are not checked: these have no flows.
    """
    asked: dict[tuple[str, str], list[Flow]] = {}
    for flow in flows:
        asked.setdefault((flow.vantage.place, flow.endpoint.place), []).append(flow)
    for rule in rules.allow:
        if not {rule.source, rule.target}.isdisjoint(completed):
            continue
        pairs = asked if rule.has_wildcard else [(rule.source, rule.target)]
        if not any(rule.matches(flow) for pair in pairs for flow in asked.get(pair, ())):
            raise PolicyError(
                f'{rule.where}: "{rule.text}" matches no flow of this project; '
                f"{_cover_hint(rule, chain.from_iterable(asked.values()))}"
            )


def _cover_hint(rule: PolicyRule, asked: Iterable[Flow]) -> str:
    """Return why a rule matches no flow: the host is a known place, but may have no such listener."""
    if rule.names_foreign:
        return "no foreign container of this name is on a network of the project"
    if rule.target == HOST and any(replace(rule, port=None).matches(flow) for flow in asked):
        return (
            f"no process of the host is known to listen on port {rule.port_text} beyond loopback; "
            f'start one, or write "{rule.source} -> {HOST}", which covers every port'
        )
    return "source and target must be different places, and one of them a service with its own address"


def tolerated_devices(rules: Policy | None) -> frozenset[str]:
    """Return the names of the devices that the policy tolerates."""
    return frozenset(toleration.device for toleration in rules.tolerate if toleration.device) if rules else frozenset()


def named_ports(rules: Policy | None, place: str) -> set[tuple[Protocol, int]]:
    """Return the ports of `place` that the policy's `allow` names, of a range its first and its last."""
    return {port for rule in (rules.allow if rules else ()) if rule.target == place for port in rule.ends()}


def _tolerations(names: Names, body: Any, where: str) -> list[Toleration]:
    """Return the tolerations of one entry: one for each rule of its flow."""
    _mapping(body, where, TOLERATION_KEYS)
    why = _text(body.get("why"))
    if not why:
        raise PolicyError(f'{where}: the toleration gives no reason; add "why:"')
    if len(TOLERABLE & body.keys()) != 1:
        raise PolicyError(f"{where}: a toleration needs exactly one of `flow:`, `network:` and `device:`")
    if "device" in body:
        if "keep" in body:
            raise PolicyError(f"{where}.keep: enforcement closes flows, and no device; remove the key")
        return [Toleration(why, where, device=_device(body["device"], f"{where}.device"))]
    keep = _keep(body, where)
    if "flow" in body:
        rules = parse_flow(names, body["flow"], f"{where}.flow")
        return [Toleration(why, where, rule=rule, keep=keep) for rule in rules]
    key, networks = body["network"], names.project.networks
    if not isinstance(key, str) or key not in networks:
        raise PolicyError(f'{where}.network: no network "{key}"{suggestion(str(key), networks)}')
    return [Toleration(why, where, network=key, keep=keep)]


def _keep(body: Mapping[str, Any], where: str) -> bool:
    keep = body.get("keep", False)
    if not isinstance(keep, bool):
        raise PolicyError(f"{where}.keep: expected true or false, found {quoted.repr(keep)}")
    return keep


def _device(name: Any, where: str) -> str:
    if not isinstance(name, str) or not DEVICE_NAME.fullmatch(name):
        raise PolicyError(
            f"{where}: {quoted.repr(name)} is not a device; write the name that the report gives it, e.g. eth1"
        )
    return name


def _text(body: Any) -> str:
    """Return a text without surrounding space, empty for other values; a lone surrogate becomes `?`."""
    return body.strip().encode(errors="replace").decode() if isinstance(body, str) else ""


def _mapping(body: Any, where: str, keys: Collection[str]) -> None:
    if not isinstance(body, Mapping):
        raise PolicyError(f"{where}: expected a mapping with {_listed(keys)}, found {quoted.repr(body)}")
    for key in body:
        if key not in keys:
            raise PolicyError(f'{where}: no key "{key}"{suggestion(str(key), keys)}')


def _list(body: Mapping[str, Any], key: str, where: str) -> list[Any]:
    items = body.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise PolicyError(f'{where}.{key}: expected a list, found {quoted.repr(items)}; begin each entry with "- "')
    return items


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _ports_hint(ports: Iterable[tuple[Protocol, int]]) -> str:
    """Return the ports that a service has, for an error."""
    names = sorted(f"{port}/{protocol}" for protocol, port in ports)
    return f"it has {', '.join(names)}" if names else "it has no listener"
