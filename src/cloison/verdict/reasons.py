"""Says in words why a flow is what it is, and what else is worth knowing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import OUTSIDE, STRANGER, Facts, Flow, version_of
from cloison.model.outcome import Reach
from cloison.verdict.judge import Cause, Judged, Judgement


@dataclass(frozen=True, slots=True)
class Case:
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
NOT_AS_DRAWN: Final = {
    Judgement.HOLDS: "as intended, but not as the file draws it ({rule}): {evidence}",
    Judgement.UNJUDGED: "not judged, and not as the file draws it ({rule}): {evidence}",
}


def reason(item: Judged) -> str:
    """Return the sentence that a person acts on."""
    if item.judgement is Judgement.BREACH:
        template = BREACHED_BY[item.cause]
    elif item.judgement is Judgement.BROKEN and item.observation.reach is Reach.SHUT:
        template = BROKEN_BY[item.prediction.reach]
    elif item.drift and item.judgement in (Judgement.HOLDS, Judgement.UNJUDGED):
        template = NOT_AS_DRAWN[item.judgement]
    else:
        template = REASONS.get((item.judgement, item.observation.reach), "not known: {evidence}")
    return template.format(
        rule=item.prediction.rule, evidence=item.observation.evidence, why=item.intention.why.rstrip(".")
    )


def notes(case: Case, judged: Sequence[Judged]) -> list[str]:
    """Return what is worth knowing and changes no verdict."""
    return [
        *_strangers(case.facts, judged),
        *_unpublished(case.project, case.facts),
        *unneeded(case.policy, judged),
        *_egress(judged),
    ]


def pings(flows: Iterable[Flow]) -> list[str]:
    """Say where echo requests get through and neither TCP nor UDP does: information, not a verdict."""
    pairs = sorted({(flow.vantage.place, flow.endpoint.place) for flow in flows})
    return [f"ICMP: echo requests of {source} get to {target}, TCP and UDP do not" for source, target in pairs]


def _strangers(facts: Facts, judged: Iterable[Judged]) -> list[str]:
    seen = {item.flow.vantage.container for item in judged if item.flow.vantage.place.startswith(STRANGER)}
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
    ours = [c for c in facts.containers if c.pid and c.project == project.name and c.service in project.services]
    asked = {(c, port.protocol, port.target) for c in ours for port in project.services[c.service].ports}
    given = {(c, door.protocol, door.container_port) for c in ours for door in c.publications}
    return sorted(
        {
            f"the file publishes {container.service}:{port}/{protocol}, but the engine does not (as it does when every "
            "network of a service is internal); it opens as soon as that changes"
            for container, protocol, port in asked - given
        }
    )


def unneeded(rules: Policy | None, judged: Iterable[Judged]) -> list[str]:
    """Name the tolerations that cover nothing open."""
    used = {item.intention.where for item in judged if item.observation.reach is not Reach.SHUT}
    return [
        f"{toleration.where} ({toleration.text}) is not needed any more: nothing that it covers is open"
        for toleration in (rules.tolerate if rules else ())
        if toleration.where not in used
    ]


def _egress(judged: Iterable[Judged]) -> list[str]:
    """Sum up who reaches the internet: a policy may allow it, and it is still worth a line.

    Over which version of IP is said where both were asked and one alone leads out.
    """
    outward = [item for item in judged if item.flow.endpoint.place == OUTSIDE and item.flow.vantage.container]
    asked = {version_of(item.flow.endpoint.address) for item in outward}
    free = {
        version: {item.flow.vantage.place for item in outward if _leads_out(item, version)} for version in sorted(asked)
    }
    everywhere = set.intersection(*free.values()) if free else set()
    named = [(everywhere, ""), *((free[version] - everywhere, f" over IPv{version} only") for version in free)]
    return [f"egress: {', '.join(sorted(who))} can reach the internet{over}" for who, over in named if who]


def _leads_out(item: Judged, version: int) -> bool:
    return item.observation.reach is Reach.OPEN and version_of(item.flow.endpoint.address) == version
