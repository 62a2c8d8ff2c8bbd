"""The reason of each judgement as a sentence, and the notes of a proof.

Input: judged flows, the project, the facts and the policy. Output: texts for the proof document.
Rule: a reason names the evidence and the rule that decided; a note changes no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import Container, Facts, Origin
from cloison.model.flow import FOREIGN, OUTSIDE, Flow, ip_version
from cloison.model.outcome import Reach
from cloison.verdict.intent import Intent
from cloison.verdict.judge import Cause, JudgedFlow, Judgement
from cloison_view.labels import intention_words


@dataclass(frozen=True, slots=True)
class ProofInputs:
    """The project, the facts of the engine, and the policy (None without one)."""

    project: Project
    facts: Facts
    policy: Policy | None


REASONS: Final = {
    (Judgement.HOLDS, Reach.OPEN): "open as intended: {rule}",
    (Judgement.HOLDS, Reach.SHUT): "closed as intended: {evidence}",
    (Judgement.TOLERATED, Reach.OPEN): "open and tolerated, because {why}",
    (Judgement.UNJUDGED, Reach.OPEN): "open, not judged because it starts at the host: {rule}",
    (Judgement.UNJUDGED, Reach.SHUT): "closed, not judged because it starts at the host: {evidence}",
    (Judgement.BROKEN, Reach.OPEN): "needed, but the endpoint does not answer: {evidence}",
    (Judgement.UNKNOWN, Reach.OPEN): "open, and neither a policy nor the file decides whether it should be: {rule}",
    (Judgement.UNKNOWN, Reach.SHUT): "closed, and neither a policy nor the file decides whether it should be: {rule}",
}
BROKEN_BY: Final = {
    Reach.SHUT: "needed, but the Compose file closes it: {rule}",
    Reach.OPEN: "needed and predicted open ({rule}), but closed: {evidence}",
    Reach.UNKNOWN: "needed, but closed: {evidence}",
}
BREACHED_BY: Final = {
    Cause.FILE: "should be closed, but the Compose file opens it: {rule}",
    Cause.DRIFT: "should be closed but is open, and the Compose file does not explain it: {evidence}. "
    "Expected closed because {rule}",
    None: "should be closed but is open: {evidence}. Not predicted because {rule}",
}
OTHER_EGRESS: Final = {
    (Intent.SHUT, Judgement.BREACH): "open, but {why}: {evidence}",
    (Intent.OPEN, Judgement.BROKEN): "needed, but {why}, and closed: {evidence}",
    (Intent.UNDECIDED, Judgement.UNKNOWN): "unknown: {why}",
}
"""For a flow that a rule with `via` matches."""
NOT_AS_PREDICTED: Final = {
    Judgement.HOLDS: "as intended, but not as predicted ({rule}): {evidence}",
    Judgement.UNJUDGED: "not judged, and not as predicted ({rule}): {evidence}",
}


def reason(item: JudgedFlow, *, has_policy: bool) -> str:
    """Return the reason of a judged flow; without a policy nothing is intended, and the file only draws it."""
    if item.intention.why and (item.intention.intent, item.judgement) in OTHER_EGRESS:
        template = OTHER_EGRESS[item.intention.intent, item.judgement]
    elif item.judgement is Judgement.BREACH:
        template = BREACHED_BY[item.cause]
    elif item.judgement is Judgement.BROKEN and item.observation.reach is Reach.SHUT:
        template = BROKEN_BY[item.prediction.reach]
    elif item.drift and item.judgement in (Judgement.HOLDS, Judgement.UNJUDGED):
        template = NOT_AS_PREDICTED[item.judgement]
    else:
        template = REASONS.get((item.judgement, item.observation.reach), "unknown: {evidence}")
    return intention_words(template, has_policy=has_policy).format(
        rule=item.prediction.rule, evidence=item.observation.evidence, why=item.intention.why.rstrip(".")
    )


def notes(inputs: ProofInputs, judged: Sequence[JudgedFlow]) -> list[str]:
    """Return the notes of a proof, which change no verdict."""
    return [
        *_foreign_containers(inputs.facts, judged),
        *_tolerated_devices(inputs.policy, inputs.facts),
        *_unpublished(inputs.project, inputs.facts),
        *unneeded_tolerations(inputs.policy, judged, _devices(inputs.facts)),
        *_egress(judged),
        *_egress_networks(inputs),
    ]


def _egress_networks(inputs: ProofInputs) -> list[str]:
    """Return a note for each service on several networks: the one that carries its packets to other machines."""
    project, places = inputs.project, {c.name: c.service for c in inputs.facts.containers}
    found: dict[str, set[str]] = {}
    for item in inputs.facts.egress_networks:
        if len(project.attached_networks(place := places[item.container])) > 1:
            known = (project.network_named(name) for name in item.networks)
            names = [network.key if network else name for network, name in zip(known, item.networks, strict=True)]
            found.setdefault(place, set()).update(f"{name} (IPv{item.version})" for name in names)
    return [
        f"egress: {place} leaves over {', '.join(sorted(names))}" for place, names in sorted(found.items()) if names
    ]


def pings(flows: Iterable[Flow]) -> list[str]:
    """Return a note for each pair of places where ICMP echo requests arrive and TCP and UDP do not."""
    pairs = sorted({(flow.vantage.place, flow.endpoint.place) for flow in flows})
    return [f"ICMP: echo requests from {source} reach {target}, TCP and UDP do not" for source, target in pairs]


def _foreign_containers(facts: Facts, judged: Iterable[JudgedFlow]) -> list[str]:
    seen = {item.flow.vantage.container for item in judged if item.flow.vantage.place.startswith(FOREIGN)}
    return [
        f"{container.name}"
        + (f" of project {container.project}" if container.project else "")
        + f" is on {', '.join(sorted(attachment.network for attachment in container.attachments)) or 'no network'}"
        + " and is not in the file"
        + (f" ({container.description})" if container.description else "")
        for container in sorted(facts.containers)
        if container.name in seen
    ]


def _devices(facts: Facts) -> dict[str, Container]:
    """Return the devices on the project's networks of which it is unknown what they reach."""
    return {c.name: c for c in facts.containers if c.origin is Origin.DEVICE}


def _tolerated_devices(rules: Policy | None, facts: Facts) -> list[str]:
    """Return a note for each device that the policy tolerates: what it reaches is not probed."""
    found = _devices(facts)
    return [
        f"{toleration.text} is tolerated on {', '.join(a.network for a in found[toleration.device].attachments)} "
        f"({found[toleration.device].description}), so what it reaches is not judged: {toleration.why}"
        for toleration in (rules.tolerate if rules else ())
        if toleration.device in found
    ]


def _unpublished(project: Project, facts: Facts) -> list[str]:
    """Return a note for each port that the file publishes and the engine does not."""
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
            f"the file publishes {container.service}:{port}/{protocol}, but the engine does not (it publishes nothing "
            "for a service with internal networks only); the port opens when that changes"
            for container, protocol, port in asked - given
        }
    )


def unneeded_tolerations(
    rules: Policy | None, judged: Iterable[JudgedFlow], devices: Collection[str] = ()
) -> list[str]:
    """Return a note for each toleration that matches no open flow and none of `devices`."""
    used = {item.intention.where for item in judged if item.observation.reach is not Reach.SHUT}
    return [
        f"{toleration.where} ({toleration.text}) is not needed: "
        + ("no such device is on a network" if toleration.device else "it matches no open flow")
        for toleration in {one.where: one for one in (rules.tolerate if rules else ())}.values()
        if toleration.where not in used and toleration.device not in devices
    ]


def _egress(judged: Iterable[JudgedFlow]) -> list[str]:
    """Return notes with the services that reach the outside, allowed by the policy or not.

    A note names the version of IP when both were probed and only one reaches the outside.
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
    return [f"egress: {', '.join(sorted(places))} can reach the internet{over}" for places, over in named if places]


def _is_egress(item: JudgedFlow, version: int) -> bool:
    return item.observation.reach is Reach.OPEN and ip_version(item.flow.endpoint.address) == version
