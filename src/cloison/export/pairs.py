"""The connections that a policy leaves open where everything else is closed, by the places at both ends.

Input: a project and its policy. Output: `Pair` values, and sentences about the lines that name none.
Rule: like enforcement, an export opens what `allow` names and the tolerations with `keep: true`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cloison.compose.flow_rule import ANY_PLACE, PolicyRule
from cloison.compose.policy import Policy, Toleration
from cloison.compose.project import Project
from cloison.model.flow import HOST, Protocol

FOREIGN_LINE: Final = "{line}: a container that the file does not have cannot be named, so the line is left out"
VIA_LINE: Final = "{line}: a network cannot be demanded, so `via` is left out"
CLOSED: Final = "{line}: the toleration has no `keep: true`, so what it covers is closed"
DEVICE: Final = "{line}: a device has no counterpart"


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A connection between two places; without a port, every port of every protocol."""

    source: str
    target: str
    protocol: str
    port: int
    """0 for every port."""
    last_port: int
    """The last port of a range, 0 where there is none."""
    reason: str
    """The position and the text of the line."""


def services(project: Project) -> list[str]:
    """Return the services that have a network namespace of their own, sorted."""
    found = ((name, body.network_mode) for name, body in sorted(project.services.items()))
    return [name for name, mode in found if mode != HOST and project.owner(name) == name]


def pairs(project: Project, rules: Policy) -> tuple[list[Pair], list[str]]:
    """Return the pairs of a policy, sorted, and sentences about the lines that are not exported as they are."""
    found: dict[tuple[str, str, str, int, int], Pair] = {}
    opened = [*rules.allow, *(rule for known in rules.tolerate if known.keep for rule in _kept(project, known))]
    for rule in opened:
        protocol = "" if rule.port is None else rule.protocol.value
        for source in _places(project, rule.source):
            for target in _places(project, rule.target):
                key = (source, target, protocol, rule.port or 0, rule.last_port)
                if source != target and not rule.names_foreign:
                    found.setdefault(key, Pair(*key, reason=f"{rule.where}: {rule.text}"))
    return sorted(found.values()), list(dict.fromkeys(_left_out(rules, opened)))


def _kept(project: Project, known: Toleration) -> Iterator[PolicyRule]:
    """Yield the rules of a toleration that stays open: for a network, one from each member to each."""
    if known.rule:
        yield known.rule
        return
    name = project.networks[known.network].name
    members = [service for service in services(project) if name in project.attached_networks(service)]
    for source in members:
        for target in members:
            yield PolicyRule(source, target, None, Protocol.TCP, known.where, known.text)


def _left_out(rules: Policy, opened: list[PolicyRule]) -> Iterator[str]:
    for rule in opened:
        line = f"{rule.where}: {rule.text}"
        if rule.names_foreign:
            yield FOREIGN_LINE.format(line=line)
        elif rule.via:
            yield VIA_LINE.format(line=line)
    for known in rules.tolerate:
        line = f"{known.where.removesuffix('.flow')}: {known.text}"
        if known.device:
            yield DEVICE.format(line=line)
        elif not known.keep:
            yield CLOSED.format(line=line)


def _places(project: Project, name: str) -> list[str]:
    """Return the places of a rule's end: the services of `*`, the host for a service in its network."""
    if name == ANY_PLACE:
        return services(project)
    service = project.services.get(name)
    return [HOST] if service and service.network_mode == HOST else [project.owner(name)]
