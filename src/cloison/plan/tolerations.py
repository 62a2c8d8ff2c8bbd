"""The tolerations that make a plan sound where no choice of networks closes what is open.

Input: judged flows and their project. Output: entries of `x-cloison.tolerate`, and the project with them.
Rule: an entry covers as little as the language of the policy can name: the members of a network, or one flow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from cloison.compose.flow_rule import ANY_PLACE, ARROW
from cloison.compose.project import Project
from cloison.model.flow import ANY_PORT, HOST, OUTSIDE, SERVICE_PREFIX, Endpoint, EndpointKind, Flow
from cloison.verdict.judge import JudgedFlow

TolerationEntry = Mapping[str, Any]
"""An entry of `tolerate`: `network`, `flow` or `device`, `why`, and sometimes `keep`, the only one that is no text."""
WITHIN_NETWORK: Final = "Docker has no policy inside a network"
WITH_EGRESS: Final = "a network with egress gives it to every member"
TO_HOST: Final = "containers reach the addresses of their host"
TO_PUBLISHED: Final = "a published port is open to every container with a default route"
FROM_OUTSIDE: Final = "before Docker Engine 28 a published port is also open at the address of its container"
OTHERWISE: Final = "no network of the project closes it"


def toleration(project: Project, flow: Flow) -> tuple[str, str, str]:
    """Return what tolerates a flow: a source and a target, or an empty source and a network's key; and the reason."""
    source, end = flow.vantage.place, flow.endpoint
    if end.kind is EndpointKind.PUBLISHED:
        return source, f"{end.place}:{_port_text(end)}", TO_PUBLISHED
    if end.place == OUTSIDE:
        return source, OUTSIDE, WITH_EGRESS
    if end.place == HOST:
        return source, HOST, TO_HOST
    network = project.network_named(end.network)
    members = [project.attached_networks(place) for place in (source, end.place)]
    if network and all(network.name in attached for attached in members):
        return "", network.key, WITHIN_NETWORK
    port = "" if end.service_port == ANY_PORT else f":{_port_text(end)}"
    return source, f"{end.place}{port}", FROM_OUTSIDE if source == OUTSIDE else OTHERWISE


def _port_text(end: Endpoint) -> str:
    return f"{end.service_port}{f'-{end.last_port}' if end.last_port else ''}/{end.protocol}"


def _has_name(project: Project, flow: Flow) -> bool:
    """Whether a policy can name both ends: not the host of a project that has a service of this name."""
    return project.services.keys().isdisjoint(
        {SERVICE_PREFIX + flow.vantage.place, SERVICE_PREFIX + flow.endpoint.place}
    )


def grouped_tolerations(project: Project, flows: Iterable[Flow]) -> list[tuple[TolerationEntry, frozenset[Flow]]]:
    """Return the entries that tolerate flows, each with its flows; sources with one target share an entry."""
    found = {flow: toleration(project, flow) for flow in flows if _has_name(project, flow)}
    everywhere = {(source, target) for source, target, _ in found.values()}
    groups: dict[tuple[str, str, bool], dict[str, set[Flow]]] = {}
    for flow, (source, target, why) in found.items():
        place, _, port = target.rpartition(":")
        covering = place if port and (source, place) in everywhere else target
        # In a list of sources, the policy leaves out the target itself: its replicas have an entry of their own.
        is_own = source == covering.partition(":")[0]
        groups.setdefault((covering, why, is_own), {}).setdefault(source, set()).add(flow)
    return [
        (_entry(project, sources, target, why), frozenset().union(*sources.values()))
        for (target, why, _), sources in sorted(groups.items(), key=lambda group: group[0])
    ]


def needed_tolerations(project: Project, breaches: Iterable[JudgedFlow]) -> list[TolerationEntry]:
    """Return the entries that tolerate all breaches."""
    return [entry for entry, _ in grouped_tolerations(project, (item.flow for item in breaches))]


def _entry(project: Project, sources: Collection[str], target: str, why: str) -> TolerationEntry:
    if "" in sources:
        return {"network": target, "why": why}
    names = ANY_PLACE if project.services.keys() <= set(sources) else ", ".join(sorted(sources))
    return {"flow": f"{names} {ARROW} {target}", "why": why}


def kept_tolerations(project: Project) -> list[TolerationEntry]:
    """Return the tolerations of the project's policy, without those of networks that it does not have."""
    entries = (project.policy or {}).get("tolerate") or []
    return [entry for entry in entries if entry.get("network", "") in ("", *project.networks)]


def with_tolerations(project: Project, entries: Collection[TolerationEntry]) -> Project:
    """Return the project whose policy has these tolerations and no others."""
    policy: dict[str, Any] = {**(project.policy or {}), "tolerate": [*entries]}
    return replace(project, policy=policy)
