"""Says in words why a flow is what it is, and what else is worth knowing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import Facts
from cloison.model.flow import FOREIGN, OUTSIDE, Flow, ip_version
from cloison.model.outcome import Reach
from cloison.verdict.judge import Cause, JudgedFlow, Judgement


@dataclass(frozen=True, slots=True)
class ProofInputs:
    """What is judged: the file, what was found, and what is intended (None without a policy)."""

    project: Project
    facts: Facts
    policy: Policy | None


REASONS: Final = {
    (Judgement.HOLDS, Reach.OPEN): "open as intended: {rule}",
    (Judgement.HOLDS, Reach.SHUT): "shut as intended: {evidence}",
    (Judgement.TOLERATED, Reach.OPEN): "open and tolerated, because {why}",
    (Judgement.UNJUDGED, Reach.OPEN): "open, and the policy does not judge the host: {rule}",
    (Judgement.UNJUDGED, Reach.SHUT): "shut, and the policy does not judge the host: {evidence}",
    (Judgement.BROKEN, Reach.OPEN): "needed, but nobody answers: {evidence}",
    (Judgement.UNKNOWN, Reach.OPEN): "open, and neither a policy nor the file says whether it may be: {rule}",
    (Judgement.UNKNOWN, Reach.SHUT): "shut, and neither a policy nor the file says whether it may be: {rule}",
}
BROKEN_BY: Final = {
    Reach.SHUT: "needed, but shut by the file: {rule}",
    Reach.OPEN: "needed and drawn open ({rule}), but shut: {evidence}",
    Reach.UNKNOWN: "needed, but shut: {evidence}",
}
BREACHED_BY: Final = {
    Cause.FILE: "meant to be shut, and open by the file: {rule}",
    Cause.DRIFT: "meant to be shut, and open behind the file's back: {evidence}; by the file it is shut, for {rule}",
    None: "meant to be shut, and open: {evidence}; the file alone does not tell, for {rule}",
}
NOT_AS_PREDICTED: Final = {
    Judgement.HOLDS: "as intended, but not as the file draws it ({rule}): {evidence}",
    Judgement.UNJUDGED: "not judged, and not as the file draws it ({rule}): {evidence}",
}


def reason(item: JudgedFlow) -> str:
    """Return the sentence that a person acts on."""
    if item.judgement is Judgement.BREACH:
        template = BREACHED_BY[item.cause]
    elif item.judgement is Judgement.BROKEN and item.observation.reach is Reach.SHUT:
        template = BROKEN_BY[item.prediction.reach]
    elif item.drift and item.judgement in (Judgement.HOLDS, Judgement.UNJUDGED):
        template = NOT_AS_PREDICTED[item.judgement]
    else:
        template = REASONS.get((item.judgement, item.observation.reach), "not known: {evidence}")
    return template.format(
        rule=item.prediction.rule, evidence=item.observation.evidence, why=item.intention.why.rstrip(".")
    )


def notes(inputs: ProofInputs, judged: Sequence[JudgedFlow]) -> list[str]:
    """Return what is worth knowing and changes no verdict."""
    return [
        *_foreign_containers(inputs.facts, judged),
        *_unpublished(inputs.project, inputs.facts),
        *unneeded_tolerations(inputs.policy, judged),
        *_egress(judged),
    ]


def pings(flows: Iterable[Flow]) -> list[str]:
    """Say where echo requests get through and neither TCP nor UDP does: information, not a verdict."""
    pairs = sorted({(flow.vantage.place, flow.endpoint.place) for flow in flows})
    return [f"ICMP: echo requests of {source} get to {target}, TCP and UDP do not" for source, target in pairs]


def _foreign_containers(facts: Facts, judged: Iterable[JudgedFlow]) -> list[str]:
    seen = {item.flow.vantage.container for item in judged if item.flow.vantage.place.startswith(FOREIGN)}
    return [
        f"{container.name}"
        + (f" of project {container.project}" if container.project else "")
        + f" is on {', '.join(sorted(seat.network for seat in container.attachments)) or 'no network'}"
        + ", and the file does not know it"
        for container in sorted(facts.containers)
        if container.name in seen
    ]


def _unpublished(project: Project, facts: Facts) -> list[str]:
    """Name the ports that the file publishes and the engine does not: they open when the network changes."""
    project_containers = [
        c for c in facts.containers if c.pid and c.project == project.name and c.service in project.services
    ]
    asked = {(c, port.protocol, port.target) for c in project_containers for port in project.services[c.service].ports}
    given = {
        (c, published_port.protocol, published_port.container_port)
        for c in project_containers
        for published_port in c.published_ports
    }
    return sorted(
        {
            f"the file publishes {container.service}:{port}/{protocol}, but the engine does not (as it does when every "
            "network of a service is internal); it opens as soon as that changes"
            for container, protocol, port in asked - given
        }
    )


def unneeded_tolerations(rules: Policy | None, judged: Iterable[JudgedFlow]) -> list[str]:
    """Name the tolerations that cover nothing open."""
    used = {item.intention.where for item in judged if item.observation.reach is not Reach.SHUT}
    return [
        f"{toleration.where} ({toleration.text}) is not needed any more: nothing that it covers is open"
        for toleration in (rules.tolerate if rules else ())
        if toleration.where not in used
    ]


def _egress(judged: Iterable[JudgedFlow]) -> list[str]:
    """Sum up who reaches the internet: a policy may allow it, and it is still worth a line.

    Over which version of IP is said where both were asked and one alone leads out.
    """
    egress_flows = [item for item in judged if item.flow.endpoint.place == OUTSIDE and item.flow.vantage.container]
    asked = {ip_version(item.flow.endpoint.address) for item in egress_flows}
    by_version = {
        version: {item.flow.vantage.place for item in egress_flows if _is_egress(item, version)}
        for version in sorted(asked)
    }
    everywhere = set.intersection(*by_version.values()) if by_version else set()
    named = [
        (everywhere, ""),
        *((by_version[version] - everywhere, f" over IPv{version} only") for version in by_version),
    ]
    return [f"egress: {', '.join(sorted(who))} can reach the internet{over}" for who, over in named if who]


def _is_egress(item: JudgedFlow, version: int) -> bool:
    return item.observation.reach is Reach.OPEN and ip_version(item.flow.endpoint.address) == version
