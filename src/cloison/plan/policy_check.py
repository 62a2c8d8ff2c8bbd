"""Finds the mistakes of a policy that is valid: lines without effect, ports that the file does not declare, `* -> *`.

Input: a `Project` and the assumptions about the engine. Output: `Mistake` values in the order of the policy.
Rule: a mistake is a line that can be removed or that says something else than its author means. An invalid policy is a
PolicyError before that, and a line that is only broad is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloison.compose import policy
from cloison.compose.flow_rule import ANY_PLACE, PolicyRule
from cloison.compose.policy import Policy, Toleration
from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.project import Project
from cloison.errors import PolicyError
from cloison.model.flow import HOST, Protocol
from cloison.plan.scenario import build_scenario
from cloison.plan.synthetic_facts import Assumptions, modelled_project
from cloison.verdict.flow_enumeration import declared_ports
from cloison.verdict.reasons import unneeded_tolerations

WITHOUT_POLICY: Final = "the project has no policy; `cloison init` drafts one"
EVERYTHING: Final = "it covers every connection between services, so nothing is isolated; name the connections"
UNUSED_GROUP: Final = "no line uses the group; remove it"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake at a position of the policy."""

    where: str
    says: str

    @property
    def sentence(self) -> str:
        """The mistake as a line."""
        return f"{self.where}: {self.says}"


def mistakes(project: Project, assumed: Assumptions) -> list[Mistake]:
    """Return the mistakes of a project's policy.

    Raises PolicyError for the first error of an invalid policy, and for a project without one.
    """
    rules = policy.policy(project)
    if rules is None:
        raise PolicyError(f"{POLICY_KEY}: {WITHOUT_POLICY}")
    policy.check_publications(project)
    found = [
        *_everything(rules),
        *_undeclared(project, rules),
        *_covered(rules.allow),
        *_covered([known.rule for known in rules.tolerate if known.rule]),
        *_same_networks(rules.tolerate),
        *_unused_groups(project, rules),
        *_without_effect(project, rules, assumed),
    ]
    # One line has one mistake: the first that was found.
    first = {_line(mistake.where): Mistake(_line(mistake.where), mistake.says) for mistake in reversed(found)}
    return sorted(first.values(), key=lambda mistake: _position(mistake.where))


def _line(where: str) -> str:
    """Return the position of a line; the one of a tolerated flow ends with its key."""
    return where.removesuffix(".flow")


def _position(where: str) -> tuple[str, int, str]:
    """Return the key by which positions are sorted: `allow[10]` follows `allow[9]`."""
    match = re.fullmatch(r"(.*)\[(\d+)\]", where)
    return (match[1], int(match[2]), "") if match else (where, 0, where)


def _rules(rules: Policy) -> list[PolicyRule]:
    return policy.flow_rules(rules)


def _everything(rules: Policy) -> Iterator[Mistake]:
    for rule in _rules(rules):
        if rule.source == rule.target == ANY_PLACE and rule.port is None:
            yield Mistake(rule.where, f'"{rule.text}": {EVERYTHING}')


def _undeclared(project: Project, rules: Policy) -> Iterator[Mistake]:
    """Yield the rules about a port that the target does not declare, although it declares others."""
    declared = declared_ports(project, {})
    for rule in rules.allow:
        ports = declared.get(rule.target)
        if ports and rule.port is not None and not any(rule.covers(*port) for port in ports):
            shown = ", ".join(f"{number}/{protocol}" for protocol, number in _shown(ports))
            yield Mistake(
                rule.where,
                f'"{rule.text}": {rule.target} declares no port {rule.port_text}; it declares {shown}. Correct '
                "the port, or add it to `expose`",
            )


def _shown(ports: Iterable[tuple[Protocol, int]]) -> list[tuple[Protocol, int]]:
    return sorted(ports, key=lambda port: (port[1], port[0]))


def _covered(rules: Iterable[PolicyRule]) -> Iterator[Mistake]:
    """Yield the lines all of whose rules are covered by rules of another line."""
    lines: dict[str, list[PolicyRule]] = {}
    for rule in rules:
        lines.setdefault(rule.where, []).append(rule)
    for number, (where, held) in enumerate(lines.items()):
        for other_number, (other, others) in enumerate(lines.items()):
            if where != other and _is_covered(held, others):
                if not _is_covered(others, held):
                    yield Mistake(
                        where, f'"{held[0].text}" is covered by {_line(other)} ("{others[0].text}"); remove it'
                    )
                elif number > other_number:
                    yield Mistake(where, f'"{held[0].text}" repeats {_line(other)} ("{others[0].text}"); remove it')


def _is_covered(rules: Iterable[PolicyRule], others: Iterable[PolicyRule]) -> bool:
    known = [*others]
    return all(any(_covers(other, rule) for other in known) for rule in rules)


def _covers(wide: PolicyRule, rule: PolicyRule) -> bool:
    """Whether a rule can go where another one stands.

    A rule with `*` needs nothing that the file closes, so it covers no rule with a name.
    """
    if (wide.source, wide.target) != (rule.source, rule.target) or wide.via not in ("", rule.via):
        return False
    if wide.port is None or rule.port is None:
        return wide.port is None
    within = wide.port <= rule.port and (rule.last_port or rule.port) <= (wide.last_port or wide.port)
    return within and wide.protocol is rule.protocol


def _same_networks(tolerations: Iterable[Toleration]) -> Iterator[Mistake]:
    first: dict[tuple[str, str], str] = {}
    for known in tolerations:
        if known.network or known.device:
            other = first.setdefault((known.network, known.device), known.where)
            if other != known.where:
                yield Mistake(known.where, f'"{known.text}" repeats {other}; remove one of them')


def _unused_groups(project: Project, rules: Policy) -> Iterator[Mistake]:
    raw: Mapping[str, Any] = project.policy
    texts = [*(raw.get("allow") or []), *(body.get("flow", "") for body in raw.get("tolerate") or [])]
    for name in rules.groups:
        word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
        if not any(word.search(str(text)) for text in texts):
            yield Mistake(f"{POLICY_KEY}.groups.{name}", UNUSED_GROUP)


def _without_effect(project: Project, rules: Policy, assumed: Assumptions) -> Iterator[Mistake]:
    """Yield the rules that match no flow, and the tolerations that match no open one."""
    scenario = build_scenario(modelled_project(project, assumed), rules, assumed)
    dropped = scenario.reduction.dropped
    for rule in rules.allow:
        if not rule.names_foreign and dropped.isdisjoint((rule.source, rule.target)):
            try:
                policy.check_rules_match(Policy((rule,), ()), scenario.predicted)
            except PolicyError as error:
                yield Mistake(rule.where, str(error).removeprefix(f"{rule.where}: "))
    judged = scenario.judged()
    known = {item.where: item for item in rules.tolerate}
    for note in unneeded_tolerations(rules, judged, policy.tolerated_devices(rules)):
        where, _, says = note.partition(" ")
        if not _is_seen_later(project, known[where]):
            yield Mistake(where, says)


def _is_seen_later(project: Project, toleration: Toleration) -> bool:
    """Whether only a running project shows what a toleration covers: foreign containers, and the host's network."""
    rule = toleration.rule
    if rule is None:
        return False
    places = [project.services[name] for name in (rule.source, rule.target) if name in project.services]
    return rule.names_foreign or any(service.network_mode == HOST for service in places)
