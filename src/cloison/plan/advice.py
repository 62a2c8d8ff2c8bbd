"""Advice about the flows of a plan: for each one the first change that was tried and works.

Input: the judged flows of a `Situation`, and a function that judges another one. Output: `TriedAdvice`.
Rule: a change works when it settles the flow, breaks no connection that the policy needs, and opens nothing else.
Where no change of the file or of the engine works, the advice is a toleration to paste, which is tried like a change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from cloison.compose.project import Project
from cloison.errors import PolicyError
from cloison.model.flow import HOST, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.plan.candidates import Candidates
from cloison.plan.change import Change, Situation, Together, Tolerate
from cloison.plan.clique_cover import Pair
from cloison.plan.scenario import Connection, connection
from cloison.plan.tolerations import grouped_tolerations
from cloison.verdict.intent import Intent
from cloison.verdict.judge import JudgedFlow, Judgement

TRIED_FLOWS: Final = 30_000
"""The flows that all trials of a plan may judge: about a second. After them only tolerations are tried."""
NEEDED: Final = (Intent.OPEN, Intent.OPTIONAL)
NOTHING_WORKS: Final = "no change of networks, ports or engine that was tried closes this and breaks nothing"
ADD_POLICY: Final = f"{NOTHING_WORKS}: add a policy under x-cloison and tolerate it there"
OR_REMOVE: Final = "{change}, or remove {line} from the policy"
CANNOT_OPEN: Final = (
    "no change of networks or ports that was tried opens this and nothing else: name the port that is needed in "
    "{line}, or remove it from the policy"
)

Judge = Callable[[Situation], Sequence[JudgedFlow]]


@dataclass(frozen=True, slots=True)
class TriedAdvice:
    """What to do, the positions of the flows that it settles, and the change; None where none works."""

    sentence: str
    positions: tuple[int, ...]
    change: Change | None


@dataclass(frozen=True)
class Effect:
    """The connections of a situation by their judgement, and those that are open."""

    breaches: frozenset[Connection]
    broken: frozenset[Connection]
    unknown: frozenset[Connection]
    opened: frozenset[Connection]
    """The open ones, without those from the host, which is not isolated from its containers."""
    needed: frozenset[Connection]
    satisfied: frozenset[tuple[str, str, str, int]]
    """What the policy needs and has, at any address. A service that loses its last network has no flows at all."""


def connections(flow: Flow) -> Iterator[Connection]:
    """Yield the connections of a flow, one for each port of its range."""
    source, target, protocol, first, published, version = connection(flow)
    for port in range(first, max(first, flow.endpoint.last_port) + 1):
        yield source, target, protocol, port, published, version


def effect(judged: Iterable[JudgedFlow]) -> Effect:
    """Return the connections of judged flows."""
    found = [(connection(item.flow), item) for item in judged]

    def where(condition: Callable[[JudgedFlow], bool]) -> frozenset[Connection]:
        return frozenset(key for key, item in found if condition(item))

    return Effect(
        where(lambda item: item.judgement is Judgement.BREACH),
        where(lambda item: item.judgement is Judgement.BROKEN),
        where(lambda item: item.judgement is Judgement.UNKNOWN),
        where(lambda item: item.prediction.reach is Reach.OPEN and item.flow.vantage.place != HOST),
        where(lambda item: item.intention.intent in NEEDED),
        frozenset(key[:4] for key in where(_is_satisfied)),
    )


def _is_satisfied(item: JudgedFlow) -> bool:
    return item.intention.intent in NEEDED and item.prediction.reach is Reach.OPEN


def is_no_worse(before: Effect, after: Effect, communicating: Collection[Pair] = ()) -> bool:
    """Whether a change breaks nothing and opens only what the policy needs, or what is between `communicating` places.

    Docker has no policy inside a network: where one direction is needed, a common network opens the other one, too.
    """
    opened = after.opened - before.opened - after.needed
    return (
        after.breaches <= before.breaches
        and after.broken <= before.broken
        and after.satisfied >= before.satisfied
        and after.unknown <= before.unknown
        and all(frozenset(found[:2]) in communicating for found in opened)
    )


@dataclass
class Trials:
    """Applies changes to a situation, judges the results, and remembers them."""

    situation: Situation
    judge: Judge
    before: Effect
    cost: int
    """The flows that a trial judges."""
    communicating: Collection[Pair] = ()
    """The pairs of places that the policy lets communicate."""
    left: int = TRIED_FLOWS
    known: dict[Change, Effect | None] = field(default_factory=dict)
    compared: dict[Change, bool] = field(default_factory=dict)

    def first(self, changes: Iterable[Change], flow: Flow) -> Change | None:
        """Return the first change that works, None when there is none or the trials are used up."""
        return next((change for change in changes if self._works(change, connection(flow))), None)

    def are_tolerated(self, changes: Sequence[Change], flows: Collection[Flow]) -> set[Flow]:
        """Return the flows that tolerations, applied together, settle."""
        after = self._after(Together(tuple(changes)))
        return {flow for flow in flows if after and connection(flow) not in after.breaches}

    def _works(self, change: Change, settled: Connection) -> bool:
        after = self._after(change)
        if after is None or not self._is_no_worse(change, after):
            return False
        return settled not in (after.broken if settled in self.before.broken else after.opened)

    def _is_no_worse(self, change: Change, after: Effect) -> bool:
        """Return the comparison of a change, which is made once: many flows have the same candidates."""
        if change not in self.compared:
            self.compared[change] = is_no_worse(self.before, after, self.communicating)
        return self.compared[change]

    def _after(self, change: Change) -> Effect | None:
        """Return the effect of a change, None when no trial is left, or the policy names what it removes."""
        if change not in self.known:
            self.left -= self.cost
            if self.left < 0:
                return None
            try:
                self.known[change] = effect(self.judge(change.applied(self.situation)))
            except PolicyError:
                self.known[change] = None
        return self.known[change]


def tried_advice(  # noqa: PLR0913  # all are needed, and given by name
    situation: Situation,
    judged: Sequence[JudgedFlow],
    judge: Judge,
    *,
    needing_egress: Collection[str],
    allowed: Collection[Pair],
    others: Sequence[Change] = (),
) -> list[TriedAdvice]:
    """Return the advice about every breach and every broken flow.

    `allowed` are pairs of services that the policy lets communicate, and `others` changes of the whole file.
    """
    trials = Trials(situation, judge, effect(judged), len(judged), allowed)
    candidates = Candidates(situation, needing_egress)
    found: dict[str, tuple[Change | None, list[int]]] = {}
    left: list[int] = []
    for position, item in enumerate(judged):
        if item.judgement is Judgement.BROKEN:
            opening = trials.first(chain(candidates.opening(item.flow), others), item.flow)
            _add(found, _opening_sentence(opening, item.intention.where), opening, [position])
        elif item.judgement is Judgement.BREACH:
            closing = () if _are_together(situation.project, item.flow, allowed) else candidates.closing(item.flow)
            change = trials.first(chain(closing, others), item.flow)
            if change:
                _add(found, change.sentence, change, [position])
            else:
                left.append(position)
    for sentence, change, positions in _tolerations(trials, judged, left):
        _add(found, sentence, change, positions)
    return [TriedAdvice(sentence, tuple(positions), change) for sentence, (change, positions) in found.items()]


def _add(
    found: dict[str, tuple[Change | None, list[int]]], sentence: str, change: Change | None, positions: Sequence[int]
) -> None:
    if positions:
        found.setdefault(sentence, (change, []))[1].extend(positions)


def _are_together(project: Project, flow: Flow, allowed: Collection[Pair]) -> bool:
    """Whether the two ends of a flow need a common network, in which every port is open."""
    ends = frozenset({project.owner(flow.vantage.place), project.owner(flow.endpoint.place)})
    return ends in allowed and flow.endpoint.kind is not EndpointKind.PUBLISHED


def _opening_sentence(change: Change | None, line: str) -> str:
    return OR_REMOVE.format(change=change.sentence, line=line) if change else CANNOT_OPEN.format(line=line)


def _tolerations(
    trials: Trials, judged: Sequence[JudgedFlow], positions: Sequence[int]
) -> Iterator[tuple[str, Change | None, list[int]]]:
    """Yield the tolerations of breaches that no change closes, each with its flows; all are tried together."""
    project = trials.situation.project
    if project.policy is None:
        yield ADD_POLICY, None, [*positions]
        return
    at = {judged[position].flow: position for position in positions}
    groups = grouped_tolerations(project, at)
    changes = [Tolerate(tuple(entry.items()), entry["why"]) for entry, _ in groups]
    trials.left = max(trials.left, trials.cost)  # a toleration is tried even after the last change
    settled = trials.are_tolerated(changes, at)
    for change, (_, flows) in zip(changes, groups, strict=True):
        yield change.sentence, change, sorted(at[flow] for flow in flows & settled)
    named = {flow for _, flows in groups for flow in flows & settled}
    yield NOTHING_WORKS, None, sorted(at[flow] for flow in at.keys() - named)
