"""A policy as it is understood: groups with their members, each flow by its places and ports, tolerations with reasons.

Input: a `Project` and its `Policy`. Output: a mapping for JSON, and the same as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from cloison.compose.flow_rule import ARROW, PolicyRule
from cloison.compose.policy import Policy, Toleration
from cloison.compose.project import Project

EVERY_PORT: Final = "every port"
WIDTH: Final = 24


def policy_document(project: Project, rules: Policy) -> dict[str, Any]:
    """Return the policy as a value that JSON can hold."""
    return {
        "groups": {name: list(members) for name, members in sorted(rules.groups.items())},
        "allow": [_flow(project, group) for group in _grouped(rules.allow)],
        "tolerate": [_tolerated(project, known) for known in _lines(rules.tolerate)],
    }


def _grouped(rules: Iterable[PolicyRule]) -> list[list[PolicyRule]]:
    """Return the rules of one line between the same places together."""
    found: dict[tuple[str, str, str], list[PolicyRule]] = {}
    for rule in rules:
        found.setdefault((rule.where, rule.source, rule.target), []).append(rule)
    return [*found.values()]


def _flow(project: Project, group: list[PolicyRule]) -> dict[str, Any]:
    first = group[0]
    via = project.network_named(first.via)
    return {
        "where": first.where,
        "text": first.text,
        "source": first.source,
        "target": first.target,
        "ports": [rule.port_text for rule in group if rule.port is not None],
        **({"via": via.key} if via else {}),
    }


def _lines(tolerations: Iterable[Toleration]) -> list[list[Toleration]]:
    found: dict[str, list[Toleration]] = {}
    for known in tolerations:
        found.setdefault(known.where, []).append(known)
    return [*found.values()]


def _tolerated(project: Project, line: list[Toleration]) -> dict[str, Any]:
    first = line[0]
    body: dict[str, Any] = {"where": first.where, "why": first.why, "keep": first.keep}
    if first.network:
        return {**body, "network": first.network, "members": members(project, first.network)}
    if first.device:
        return {**body, "device": first.device}
    flows = [_flow(project, group) for group in _grouped(known.rule for known in line if known.rule)]
    return {**body, "text": first.text, "flows": flows}


def members(project: Project, key: str) -> list[str]:
    """Return the services that are on a network, sorted."""
    name = project.networks[key].name
    return [service for service in sorted(project.services) if name in project.attached_networks(service)]


def policy_text(project: Project, rules: Policy) -> str:
    """Return the policy as text, a line for each pair of places."""
    document = policy_document(project, rules)
    return "\n".join([*_group_lines(document), *_allow_lines(document), *_tolerate_lines(document)]) + "\n"


def _group_lines(document: dict[str, Any]) -> Iterator[str]:
    if document["groups"]:
        yield "groups"
    for name, names in document["groups"].items():
        yield f"  {name:<{WIDTH}}  {', '.join(names)}"


def _allow_lines(document: dict[str, Any]) -> Iterator[str]:
    yield "allow" if document["allow"] else "allow nothing"
    for flow in document["allow"]:
        yield f"  {flow['where'].partition('.')[2]:<{WIDTH}}  {_flow_text(flow)}"


def _flow_text(flow: dict[str, Any]) -> str:
    via = f" via {flow['via']}" if "via" in flow else ""
    return f"{flow['source']} {ARROW} {flow['target']}{via}: {', '.join(flow['ports']) or EVERY_PORT}"


def _tolerate_lines(document: dict[str, Any]) -> Iterator[str]:
    yield "tolerate" if document["tolerate"] else "tolerate nothing"
    for line in document["tolerate"]:
        where = line["where"].partition(".")[2]
        for text in _toleration_texts(line):
            yield f"  {where:<{WIDTH}}  {text}"
            where = ""
        kept = ", and enforcement leaves it open" if line["keep"] else ""
        yield f"  {'':<{WIDTH}}  because {line['why']}{kept}"


def _toleration_texts(line: dict[str, Any]) -> list[str]:
    if "network" in line:
        return [f"everything between {', '.join(line['members']) or 'the members'} over the network {line['network']}"]
    if "device" in line:
        return [f"the device {line['device']}"]
    return [_flow_text(flow) for flow in line["flows"]]
