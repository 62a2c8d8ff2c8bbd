"""Explains the flows from one place to another: what the policy says of each, what the file does, and what to change.

Input: a `Project`, the assumptions about the engine, and the two places. Output: sentences.
Rule: the flows, their predictions and their judgements are those of a plan; advice is only given where it was tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.compose import policy
from cloison.compose.flow_rule import ARROW, Names, PolicyRule, parse_flow
from cloison.compose.project import Project
from cloison.errors import UsageError
from cloison.model.flow import ANY_PORT, HOST, OUTSIDE, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.model.text import joined
from cloison.plan.advisor import connection_advice, judge_services
from cloison.plan.change import Situation
from cloison.plan.scenario import Connection, connection
from cloison.plan.synthetic_facts import Assumptions, modelled_project
from cloison.verdict.intent import Intent
from cloison.verdict.judge import JudgedFlow, Judgement

INTENTS: Final[Mapping[Intent, str]] = {
    Intent.OPEN: "the policy needs it{by}",
    Intent.OPTIONAL: "the policy allows it{by}",
    Intent.TOLERATED: "the policy tolerates it{by}, because {why}",
    Intent.SHUT: "the policy does not name it, so it should be closed",
    Intent.UNJUDGED: "it is not judged, because the policy does not name the host as its source",
    Intent.UNDECIDED: "it is not decided whether it should be open",
}
INTENTS_OF_FILE: Final[Mapping[Intent, str]] = {
    Intent.OPEN: "the project has no policy, and the file is meant to open it",
    Intent.OPTIONAL: "the project has no policy, and the file may open it",
    Intent.SHUT: "the project has no policy, and the file is meant to close it",
    Intent.UNJUDGED: "the project has no policy, and flows from the host are not judged",
}
UNDECIDED: Final = "the project has no policy, and the file does not decide"
REACHES: Final[Mapping[Reach, str]] = {Reach.OPEN: "open", Reach.SHUT: "closed", Reach.UNKNOWN: "not predicted"}
TO_ALLOW: Final = 'To allow it, add "{flow}" to x-cloison.allow'
TO_CLOSE: Final = "To have it closed, remove {lines} and see what `cloison plan` advises"
OR_TOLERATE: Final = 'To tolerate it, add {{flow: "{flow}", why: …}} to x-cloison.tolerate'
DRAFT: Final = "To have a policy, let `cloison init` draft one."


WORST: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN, Judgement.TOLERATED, Judgement.UNJUDGED)


@dataclass(frozen=True, slots=True)
class _Row:
    """What is the same for several connections: intention, positions, reason, prediction, rules and judgement."""

    intent: Intent
    where: tuple[str, ...]
    why: str
    reach: Reach
    rules: tuple[str, ...]
    judgement: Judgement


def explained(project: Project, assumed: Assumptions, source: str, target: str) -> list[str]:
    """Return the sentences about the flows from `source` to `target`, a place with or without ports.

    Raises PolicyError for an unknown place, UsageError where no flow connects the two.
    """
    rules = policy.policy(project)
    policy.check_publications(project)
    asked = parse_flow(Names(project, rules.groups if rules else {}), f"{source} {ARROW} {target}", "the connection")
    judged = judge_services(Situation(modelled_project(project, assumed), assumed))
    found = _asked(judged, asked)
    if not found:
        raise UsageError(
            f"the connection: no flow leads from {source} to {target}; name two different places, one of them a service"
        )
    advice = _advice(project, assumed, found)
    return [*_networks(project, asked), *_rows(project, found, advice), *([] if rules else [DRAFT])]


def _asked(judged: Sequence[JudgedFlow], asked: Sequence[PolicyRule]) -> list[JudgedFlow]:
    """Return the judged flows that the rules match; of a port without a flow, those that stand for every port."""
    found: dict[int, JudgedFlow] = {}
    for rule in asked:
        between = [item for item in judged if rule.matches_places(item.flow.vantage.place, item.flow.endpoint.place)]
        exact = [item for item in between if _is_about(rule, item.flow)]
        canaries = [
            i for i in between if i.flow.endpoint.service_port == ANY_PORT and i.flow.endpoint.protocol == rule.protocol
        ]
        found |= {id(item): item for item in exact or canaries}
    return [*found.values()]


def _is_about(rule: PolicyRule, flow: Flow) -> bool:
    """Whether a rule is about a port of a flow, or about one of its range."""
    end = flow.endpoint
    last = max(end.service_port, end.last_port)
    return rule.port is None or (
        rule.protocol == end.protocol and rule.port <= last and (rule.last_port or rule.port) >= end.service_port > 0
    )


def _advice(project: Project, assumed: Assumptions, found: Iterable[JudgedFlow]) -> Mapping[Connection, str]:
    """Return the tried advice; it is only sought where something is open against the policy, or closed."""
    wrong = (Judgement.BREACH, Judgement.BROKEN)
    return connection_advice(project, assumed) if any(item.judgement in wrong for item in found) else {}


def _networks(project: Project, asked: Iterable[PolicyRule]) -> Iterator[str]:
    """Yield which networks the places of each pair share."""
    for source, target in dict.fromkeys((rule.source, rule.target) for rule in asked):
        if not {HOST, OUTSIDE}.isdisjoint((source, target)) or not {source, target} <= project.services.keys():
            continue
        shared = set(project.attached_networks(source)) & set(project.attached_networks(target))
        names = [_network(project, name) for name in sorted(shared)]
        if project.owner(source) == project.owner(target):
            yield f"{source} and {target} share one network namespace."
        elif names:
            yield f"{source} and {target} share the network{'s' if len(names) > 1 else ''} {', '.join(names)}."
        else:
            yield f"{source} and {target} share no network."


def _network(project: Project, name: str) -> str:
    known = project.network_named(name)
    return name if known is None else f"{known.key} (internal)" if known.internal else known.key


def _rows(project: Project, found: Iterable[JudgedFlow], advice: Mapping[Connection, str]) -> Iterator[str]:
    by_label: dict[tuple[str, str], list[JudgedFlow]] = {}
    for item in found:
        by_label.setdefault(_label(item.flow), []).append(item)
    rows: dict[_Row, dict[tuple[str, str], JudgedFlow]] = {}
    for label, items in by_label.items():
        row, first = _row(items)
        rows.setdefault(row, {})[label] = first
    for row, labels in rows.items():
        first = next(iter(labels.values()))
        rules = "; ".join(row.rules)
        yield f"{_labels([*labels])}: {_intent(project, row)}; the file leaves it {REACHES[row.reach]}: {rules}."
        if sentence := _change(project, row, first, advice):
            yield f"  {sentence}."


def _row(items: Sequence[JudgedFlow]) -> tuple[_Row, JudgedFlow]:
    """Return what holds of one connection at all of its addresses: it is open if one of them is."""
    reach = next(r for r in REACHES if any(item.prediction.reach is r for item in items))
    kept = [item for item in items if item.prediction.reach is reach]
    first = min(kept, key=lambda item: WORST.index(item.judgement) if item.judgement in WORST else len(WORST))
    alike = [item for item in kept if item.intention.intent is first.intention.intent]
    return _Row(
        first.intention.intent,
        tuple(dict.fromkeys(item.intention.where for item in alike if item.intention.where)),
        first.intention.why,
        reach,
        tuple(dict.fromkeys(item.prediction.rule for item in kept)),
        first.judgement,
    ), first


def _label(flow: Flow) -> tuple[str, str]:
    """Return a flow as its reader names it: the places with a port, and the protocol of the other ports."""
    end = flow.endpoint
    name = f"{flow.vantage.place} {ARROW} {end.place}"
    if end.place == OUTSIDE:
        return name, ""
    if end.service_port == ANY_PORT:
        return f"{name}, any other port", end.protocol
    last = f"-{end.last_port}" if end.last_port else ""
    published = " as published on the host" if end.kind is EndpointKind.PUBLISHED else ""
    return f"{name}:{end.service_port}{last}/{end.protocol}{published}", ""


def _labels(labels: Sequence[tuple[str, str]]) -> str:
    """Return the labels of a row, those of a port first; of both protocols, none is named."""
    protocols: dict[str, list[str]] = {}
    for name, protocol in sorted(labels, key=lambda label: (bool(label[1]), label)):
        protocols.setdefault(name, []).append(protocol)
    return ", ".join(f"{name} of {held[0]}" if held[0] and len(held) == 1 else name for name, held in protocols.items())


def _intent(project: Project, row: _Row) -> str:
    if project.policy is None:
        return INTENTS_OF_FILE.get(row.intent, UNDECIDED)
    return INTENTS[row.intent].format(by=f" by {joined(row.where)}" if row.where else "", why=row.why.rstrip("."))


def _change(project: Project, row: _Row, item: JudgedFlow, advice: Mapping[Connection, str]) -> str:
    """Return what to write to change it, empty where nothing is wrong and nothing is named."""
    if project.policy is None:
        return ""
    flow, tried = _flow_text(item.flow), advice.get(connection(item.flow), "")
    if row.judgement is Judgement.BREACH:
        close = f"To close it: {tried}. " if tried else ""
        return f"{close}{TO_ALLOW.format(flow=flow)}. {OR_TOLERATE.format(flow=flow)}"
    if row.judgement is Judgement.BROKEN:
        return f"To repair it: {tried or f'remove {joined(row.where)} from the policy'}"
    if row.intent is Intent.SHUT:
        return f"{TO_ALLOW.format(flow=flow)}, and open it in the file"
    to_close = TO_CLOSE.format(lines=joined(row.where)) if row.where else ""
    return f"{TO_ALLOW.format(flow=flow)}. {to_close}" if row.intent is Intent.TOLERATED else to_close


def _flow_text(flow: Flow) -> str:
    """Return a flow as a rule of a policy."""
    end = flow.endpoint
    port = "" if end.service_port == ANY_PORT or end.place == OUTSIDE else f":{end.service_port}"
    last = f"-{end.last_port}" if end.last_port and port else ""
    protocol = f"/{end.protocol}" if port and end.protocol != "tcp" else ""
    return f"{flow.vantage.place} {ARROW} {end.place}{port}{last}{protocol}"
