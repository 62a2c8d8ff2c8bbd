"""The draft: the needs that the file lets connect as `allow`, and everything else that is open as `tolerate`.

Input: a `Project`, needs, and the assumptions about the engine. Output: a `Draft`, whose plan has no breach and nothing
broken, apart from the flows that it names.
Rule: every line is judged like the policy of a plan before it is kept: see `plan.scenario`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cloison.compose import policy
from cloison.compose.addressing import check_addresses
from cloison.compose.flow_rule import PolicyRule
from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.project import Project
from cloison.draft.declared_needs import is_loopback
from cloison.draft.need import Need, Rule, certain, rules
from cloison.errors import PolicyError
from cloison.model.flow import HOST, OUTSIDE, SERVICE_PREFIX, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.plan.scenario import Scenario, build_scenario
from cloison.plan.synthetic_facts import Assumptions, modelled_project
from cloison.plan.tolerations import TolerationEntry, grouped_tolerations
from cloison.verdict.intent import Intent
from cloison.verdict.judge import JudgedFlow, Judgement

ON_LOOPBACK: Final = (
    "the file publishes it on a loopback address only, and before Docker Engine 28 it is open to other machines at the "
    "address of its container"
)
SHARES_HOST: Final = "it uses the network of the host, so every port at which it listens is a port of the host"
NOT_NAMEABLE: Final = (
    "a service of the project has the name of this place, so a policy cannot name it; rename the service"
)


@dataclass(frozen=True, slots=True)
class Tolerated:
    """A line of `tolerate`, with the number of open connections that it covers."""

    entry: TolerationEntry
    flows: int
    is_loopback: bool = False
    """Whether it covers a port that the file publishes on a loopback address only."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted policy. Its lines are sorted; `left_out` and `not_covered` are sentences."""

    allow: tuple[Rule, ...]
    tolerate: tuple[Tolerated, ...]
    left_out: tuple[str, ...] = ()
    """The needs that the file does not let connect."""
    not_covered: tuple[str, ...] = ()
    """The open flows that no line of a policy can name."""

    @property
    def policy(self) -> Mapping[str, Any]:
        """The value of `x-cloison`."""
        return {
            "allow": [rule.text for rule in self.allow],
            "tolerate": [dict(known.entry) for known in self.tolerate],
        }


def draft(project: Project, needs: Iterable[Need], assumed: Assumptions, more: Sequence[TolerationEntry] = ()) -> Draft:
    """Return the policy of a project that allows `needs`, and tolerates what else is open and `more`.

    Raises FileError when the project has addresses that no engine accepts, or more networks than a plan has subnets.
    """
    check_addresses(project)
    kept, left_out, judged = _connecting(project, certain(project, needs), assumed)
    allow, open_flows = rules(kept), [*judged.open()]
    by_file = [flow for flow in open_flows if not _is_to_host_network(project, flow)]
    found = [*_tolerated(project, by_file), *(Tolerated(entry, 0) for entry in (*more, *_in_host_network(project)))]
    return Draft(
        tuple(allow),
        tuple(sorted(found, key=lambda known: (not known.is_loopback, "network" not in known.entry))),
        tuple(left_out),
        tuple(_not_nameable(project, open_flows)),
    )


def _scenario(project: Project, allow: list[str], assumed: Assumptions) -> Scenario:
    """Return the scenario of the project with a policy that has nothing but `allow`.

    Raises PolicyError for a rule that the project refuses.
    """
    whole = modelled_project(replace(project, policy={"allow": allow}), assumed)
    policy.check_publications(whole)
    return build_scenario(whole, policy.policy(whole), assumed)


def _connecting(project: Project, needs: Sequence[Need], assumed: Assumptions) -> tuple[list[Need], list[str], _Judged]:
    """Return the needs that the file lets connect, and a sentence for each of the others.

    Without one rule others may be needed no more or no less, so this is repeated until nothing is left out; the last
    judgements are returned, too, because they are the costly part.
    """
    kept = [need for need in needs if _is_accepted(project, need)]
    left_out = [*(need for need in needs if need not in kept)]
    while True:
        judged = _Judged(_scenario(project, [need.text for need in kept], assumed))
        unmet = judged.unmet(len(kept))
        if not unmet:
            return kept, [_sentence(need) for need in sorted(left_out)], judged
        left_out += [need for i, need in enumerate(kept) if i in unmet]
        kept = [need for i, need in enumerate(kept) if i not in unmet]


def _is_accepted(project: Project, need: Need) -> bool:
    """Whether the project accepts a need as a rule."""
    with_rule = replace(project, policy={"allow": [need.text]})
    try:
        policy.check_publications(with_rule)
    except PolicyError:
        return False
    return True


class _Judged:
    """A scenario and its judged flows."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._flows = scenario.judged()

    def unmet(self, number: int) -> set[int]:
        """Return the positions of the rules that are broken, or match no flow that may be open."""
        allowed: Sequence[PolicyRule] = self._scenario.rules.allow if self._scenario.rules else ()
        positions = {f"{POLICY_KEY}.allow[{i}]": i for i in range(number)}
        by_places: dict[tuple[str, str], list[PolicyRule]] = {}
        for rule in allowed:
            by_places.setdefault((rule.source, rule.target), []).append(rule)
        met = {
            positions[rule.where]
            for item in self._flows
            if item.prediction.reach is not Reach.SHUT
            for rule in by_places.get((item.flow.vantage.place, item.flow.endpoint.place), ())
            if rule.matches(item.flow)
        }
        dropped = self._scenario.reduction.dropped
        unseen = {positions[rule.where] for rule in allowed if not dropped.isdisjoint((rule.source, rule.target))}
        broken = {positions.get(i.intention.where) for i in self._flows if i.judgement is Judgement.BROKEN}
        return {i for i in range(number) if i not in met | unseen or i in broken}

    def open(self) -> Iterator[Flow]:
        """Yield the flows between all services that are open without being allowed."""
        for item in self._flows:
            if _is_open(item):
                yield from self._scenario.reduction.expanded(item.flow)


def _sentence(need: Need) -> str:
    return f"{need.text} ({need.origin})"


def _is_open(item: JudgedFlow) -> bool:
    """Whether a flow is open, or may be open, and the policy does not allow it."""
    is_undecided = item.judgement is Judgement.UNKNOWN and item.intention.intent is Intent.SHUT
    return item.judgement is Judgement.BREACH or is_undecided


def _tolerated(project: Project, flows: Iterable[Flow]) -> Iterator[Tolerated]:
    for entry, covered in _merged(grouped_tolerations(project, flows)):
        only_loopback = all(_is_published_on_loopback(project, flow) for flow in covered)
        shown = {**entry, "why": ON_LOOPBACK} if only_loopback else entry
        yield Tolerated(shown, len(covered), only_loopback)


def _merged(
    groups: Iterable[tuple[TolerationEntry, frozenset[Flow]]],
) -> Iterator[tuple[TolerationEntry, frozenset[Flow]]]:
    """Yield the entries, those with the same flow and different reasons as one."""
    found: dict[str, list[tuple[TolerationEntry, frozenset[Flow]]]] = {}
    for entry, covered in groups:
        found.setdefault(str(entry.get("flow") or f"network {entry['network']}"), []).append((entry, covered))
    for held in found.values():
        reasons = dict.fromkeys(str(entry["why"]) for entry, _ in held)
        yield {**held[0][0], "why": "; ".join(reasons)}, frozenset().union(*(covered for _, covered in held))


def _is_published_on_loopback(project: Project, flow: Flow) -> bool:
    """Whether a flow goes from another machine to a port that the file publishes on loopback addresses only."""
    end, service = flow.endpoint, project.services.get(flow.endpoint.place)
    ports = [
        port
        for port in (service.ports if service else ())
        if port.protocol == end.protocol and end.service_port <= port.target <= (end.last_port or end.service_port)
    ]
    is_direct = flow.vantage.place == OUTSIDE and end.kind is not EndpointKind.PUBLISHED
    return is_direct and bool(ports) and all(map(is_loopback, ports))


def _in_host_network(project: Project) -> Iterator[TolerationEntry]:
    """Yield the tolerations of services in the network of the host, whose ports only a running project shows."""
    for name, service in sorted(project.services.items()):
        if service.network_mode == HOST and service.replicas:
            yield {"flow": f"{OUTSIDE} -> {name}", "why": SHARES_HOST}
            yield {"flow": f"* -> {name}", "why": SHARES_HOST}


def _is_to_host_network(project: Project, flow: Flow) -> bool:
    """Whether the tolerations of `_in_host_network` cover a flow."""
    service, source = project.services.get(flow.endpoint.place), flow.vantage.place
    return service is not None and service.network_mode == HOST and (source == OUTSIDE or source in project.services)


def _not_nameable(project: Project, flows: Iterable[Flow]) -> Iterator[str]:
    """Yield a sentence for each pair of places of which a service has the other one's name."""
    pairs = Counter((flow.vantage.place, flow.endpoint.place) for flow in flows)
    for source, target in sorted(pairs):
        if not project.services.keys().isdisjoint({SERVICE_PREFIX + source, SERVICE_PREFIX + target}):
            yield f"{source} -> {target}: {NOT_NAMEABLE}"


def remaining(project: Project, found: Draft, assumed: Assumptions) -> list[JudgedFlow]:
    """Return the flows that are breached or broken with the draft as the policy: none, but for `Draft.not_covered`."""
    whole = modelled_project(replace(project, policy=found.policy), assumed)
    scenario = build_scenario(whole, policy.policy(whole), assumed)
    return [item for item in scenario.judged() if item.judgement in (Judgement.BREACH, Judgement.BROKEN)]
