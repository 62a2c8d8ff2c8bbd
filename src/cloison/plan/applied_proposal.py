"""The proposal as it is printed: with the tolerations that it needs, as a file, and beside it a smaller first step.

Input: a `Situation`, a `Proposal`, and a function that judges a situation. Output: `AppliedProposal`.
Rule: what is printed was applied and judged; a step that breaks a needed connection or opens another is not printed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cloison.compose.project import Project
from cloison.model.flow import HOST, OUTSIDE, EndpointKind
from cloison.plan.advice import Effect, Judge, effect, is_no_worse
from cloison.plan.candidates import Candidates
from cloison.plan.change import LOOPBACK, Change, MovePort, RemoveIpv6, Situation, Together
from cloison.plan.override_file import override_file
from cloison.plan.requirements import is_project_bridge
from cloison.plan.segmentation import Proposal, with_proposal
from cloison.plan.tolerations import TolerationEntry, kept_tolerations, needed_tolerations, with_tolerations
from cloison.verdict.judge import JudgedFlow, Judgement

POOL_NETWORKS: Final = 30
"""The networks that Docker's default address pools hold: 15 of /16 and 16 of /20, one of them for the default bridge.
https://github.com/moby/moby/blob/v28.0.0/libnetwork/ipamutils/utils.go"""
POOL_NOTE: Final = (
    "These are {networks} networks, and Docker's default address pools hold {pools} for all projects of a host: "
    "configure smaller subnets with default-address-pools in daemon.json, or take a smaller first step"
)
MAX_STEPS: Final = 6
"""The number of first steps that are tried: those of the networks with the most members."""
STEP_FLOWS: Final = 10_000
"""The largest number of flows of a project for which first steps are tried."""
SETTLED: Final = (Judgement.HOLDS, Judgement.TOLERATED, Judgement.UNJUDGED)


@dataclass(frozen=True)
class AppliedProposal:
    """A proposal and its result."""

    proposal: Proposal
    project: Project
    """The project with the proposed networks and tolerations."""
    added: tuple[TolerationEntry, ...]
    yaml: str
    is_sound: bool
    """Whether the plan of the result is sound."""


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A change that is smaller than the proposal; the numbers are pairs of places, without the host."""

    sentence: str
    yaml: str
    closes: int
    leaves_open: int
    """Those that the policy does not need and that stay open."""


def applied_proposal(situation: Situation, proposal: Proposal, judge: Judge) -> AppliedProposal:
    """Return the proposal with the tolerations that make its plan sound."""
    project = with_proposal(situation.project, proposal)
    plain = replace(situation, project=with_tolerations(project, kept_tolerations(project)))
    judged = judge(plain)
    if changes := list(_closing(plain.project, judged)):
        plain = Together(tuple(changes)).applied(plain)
        judged = judge(plain)
    added = needed_tolerations(plain.project, _tolerable(judged))
    after = with_tolerations(plain.project, [*kept_tolerations(project), *added])
    words = {item.judgement for item in judge(replace(situation, project=after))}
    return AppliedProposal(
        proposal,
        after,
        tuple(added),
        override_file(situation.project, after),
        is_sound=words.issubset(SETTLED),
    )


def _closing(project: Project, judged: Iterable[JudgedFlow]) -> Iterator[Change]:
    """Yield what a proposal changes beside networks, because no toleration may stand for it.

    That is IPv6 without a filter, and a port that is published against the policy: it may be so at last because a new
    network has egress.
    """
    breaches = [item for item in judged if item.judgement is Judgement.BREACH]
    keys = tuple(key for key, network in project.networks.items() if network.ipv6 and is_project_bridge(network))
    if keys and any(item.prediction.is_unfiltered for item in breaches):
        yield RemoveIpv6(keys)
    for place, port, protocol, last in sorted(_published(breaches)):
        # The file may choose a port from a range, which the project does not keep.
        if all(known.host_port for known in project.services[place].ports):
            yield MovePort(place, port, protocol, LOOPBACK, last)


def _published(breaches: Iterable[JudgedFlow]) -> set[tuple[str, int, str, int]]:
    """Return the published ports, or the first and the last of a range, that the outside reaches against the policy."""
    ends = (item.flow.endpoint for item in breaches if item.flow.vantage.place == OUTSIDE)
    return {
        (end.place, end.service_port, end.protocol, end.last_port) for end in ends if end.kind is EndpointKind.PUBLISHED
    }


def _tolerable(judged: Sequence[JudgedFlow]) -> Iterator[JudgedFlow]:
    """Yield the breaches that a proposal may tolerate: not those from the outside to a service with such a port.

    A toleration of the port at the container's own address would cover the published port as well.
    """
    breaches = [item for item in judged if item.judgement is Judgement.BREACH]
    places = {place for place, *_ in _published(breaches)}
    return (i for i in breaches if i.flow.vantage.place != OUTSIDE or i.flow.endpoint.place not in places)


def address_pool_notes(project: Project) -> list[str]:
    """Return a note when the engine's default address pools may be too small for the networks of a project."""
    used = {name for service in project.services.values() for name in service.networks}
    networks = [n for n in project.networks.values() if is_project_bridge(n) and not n.subnets and n.name in used]
    if len(networks) <= POOL_NETWORKS:
        return []
    return [POOL_NOTE.format(networks=len(networks), pools=POOL_NETWORKS)]


def first_step(situation: Situation, before: Effect, judge: Judge, needing_egress: Collection[str]) -> FirstStep | None:
    """Return the change of one network that closes most, None when none closes anything without harm."""
    found = [step for change in _steps(situation, needing_egress) if (step := _tried(situation, before, judge, change))]
    return max(found, key=lambda step: step.closes, default=None)


def _steps(situation: Situation, needing_egress: Collection[str]) -> Iterator[Change]:
    project = situation.project
    ranked = sorted(
        (-sum(network.name in body.networks for body in project.services.values()), key)
        for key, network in project.networks.items()
        if not network.internal and is_project_bridge(network)
    )
    candidates = Candidates(situation, needing_egress)
    for _, key in ranked[: MAX_STEPS // 2]:
        yield from candidates.internal((key,))


def _tried(situation: Situation, before: Effect, judge: Judge, change: Change) -> FirstStep | None:
    after_situation = change.applied(situation)
    after = effect(judge(after_situation))
    closes = len(_pairs(before) - _pairs(after))
    if not closes or not is_no_worse(before, after):
        return None
    return FirstStep(
        change.sentence,
        override_file(situation.project, after_situation.project),
        closes,
        len({pair for pair in _pairs(after) if pair not in _needed_pairs(after)}),
    )


def _pairs(found: Effect) -> set[tuple[str, str]]:
    return {key[:2] for key in found.opened if key[1] != HOST}


def _needed_pairs(found: Effect) -> set[tuple[str, str]]:
    return {key[:2] for key in found.needed}
