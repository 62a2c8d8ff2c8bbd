"""What a policy needs of a project's networks: who must meet whom, and who needs a way out or a published port.

Rule: only `allow` is a need. What is merely tolerated may be shut without anybody missing it. An arrow
with a star needs what the file carries of it now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import Network, Project
from cloison.model.facts import OUTSIDE, Flow, Kind
from cloison.model.outcome import Reach
from cloison.plan.clique_cover import Pair
from cloison.predict.prediction import Prediction
from cloison.verdict.intent import Intent, Intention

LOOPBACK: Final = ("127.", "::1")


@dataclass(frozen=True, slots=True)
class Ground:
    """What is judged on paper: the project, its policy, and two matrices."""

    project: Project
    rules: Policy
    predicted: Mapping[Flow, Prediction]
    intended: Mapping[Flow, Intention]

    def is_open(self, flow: Flow) -> bool:
        """Whether a flow is predicted open."""
        return self.predicted[flow].reach is Reach.OPEN


@dataclass(frozen=True, slots=True)
class Needs:
    """What networks have to do. `free` are the services whose seats are the file's to give."""

    free: tuple[str, ...]
    pairs: frozenset[Pair]
    outward: frozenset[str]
    seated: frozenset[str]
    """Who needs a network at all, though it meets nobody on it but its own replicas and the host."""


def is_ours(network: Network) -> bool:
    """Whether a network is the project's own and its walls are known."""
    return not network.external and network.driver == "bridge"


def needs(ground: Ground) -> Needs:
    """Return what the policy needs of the networks that can be drawn anew."""
    project = ground.project
    free = tuple(sorted(name for name, body in project.services.items() if not body.network_mode and body.replicas))
    met = (pair for pair in _pairs(ground) if len(pair) > 1 and pair <= set(free))
    pairs = {pair for pair in met if not _meet_elsewhere(project, pair)}
    outward = {name for name in _outward(ground) if name in free and not _kept(project, name)}
    named = {project.owner(name) for rule in ground.rules.allow for name in (rule.source, rule.target)}
    seated = {name for name in named if name in free and not _kept(project, name)}
    return Needs(free, frozenset(pairs), frozenset(outward), frozenset(seated))


def allowed(ground: Ground) -> set[Pair]:
    """Return every pair of services of which the policy lets one reach the other, at any port."""
    project = ground.project
    named = {(rule.source, rule.target) for rule in ground.rules.allow if not rule.is_wide}
    wide = [rule for rule in ground.rules.allow if rule.is_wide]
    return {frozenset({project.owner(a), project.owner(b)}) for a, b in named if {a, b} <= set(project.services)} | {
        _ends(project, flow)
        for flow in ground.predicted
        if any(rule.names(flow) for rule in wide) and _is_between(project, flow)
    }


def _pairs(ground: Ground) -> Iterator[Pair]:
    project = ground.project
    for rule in ground.rules.allow:
        if not rule.is_wide and {rule.source, rule.target} <= set(project.services):
            yield frozenset({project.owner(rule.source), rule.target})
    wide = [rule for rule in ground.rules.allow if rule.is_wide]
    for flow in ground.predicted:
        if any(rule.names(flow) for rule in wide) and ground.is_open(flow) and _is_between(project, flow):
            yield _ends(project, flow)


def _is_between(project: Project, flow: Flow) -> bool:
    """Whether a flow goes from one service's own addresses to another's."""
    inside = {flow.vantage.place, flow.endpoint.place} <= set(project.services)
    return inside and flow.endpoint.kind is not Kind.PUBLISHED and len(_ends(project, flow)) > 1


def _ends(project: Project, flow: Flow) -> Pair:
    return frozenset({project.owner(flow.vantage.place), project.owner(flow.endpoint.place)})


def _kept(project: Project, service: str) -> frozenset[str]:
    """Return the seats of a service that are not the file's to give: a borrowed network, or one that is no bridge."""
    ours = {network.name for network in project.networks.values() if is_ours(network)}
    return frozenset(project.services[service].networks) - ours


def _meet_elsewhere(project: Project, pair: Pair) -> bool:
    return bool(frozenset.intersection(*(_kept(project, name) for name in pair)))


def _outward(ground: Ground) -> Iterator[str]:
    """Yield who needs a network with a way out: to reach the outside, or to have its ports published."""
    project = ground.project
    for rule in ground.rules.allow:
        if rule.target == OUTSIDE and rule.source in project.services:
            yield project.owner(rule.source)
        if rule.source == OUTSIDE and rule.target in project.services:
            yield rule.target
    for flow, intention in ground.intended.items():
        wide = intention.intent is Intent.OPEN and ground.is_open(flow)
        if flow.endpoint.place == OUTSIDE and flow.vantage.place in project.services and wide:
            yield project.owner(flow.vantage.place)
        published = flow.endpoint.kind is Kind.PUBLISHED and flow.vantage.place == OUTSIDE
        if published and intention.intent is not Intent.SHUT:
            yield flow.endpoint.place
    for service in project.services.values():
        if any(port.host_address.startswith(LOOPBACK) for port in service.ports):
            yield service.name  # the host's own people use it
