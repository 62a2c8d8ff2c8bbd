"""Groups what a person has to act on: doors that share a word, a cause and a remedy are one finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from cloison.compare import Cause, Judgement
from cloison.compose import POLICY_KEY
from cloison.model import STRANGER, Kind
from cloison.outcome import Reach
from cloison.proof import PolicyPart, Proof
from cloison.reports.advice import Advice, Says, advice
from cloison.reports.doors import WORST_FIRST, Door, passages
from cloison.reports.reading import Scene, Seen, scene, seen

FEW: Final = 3
"""So many addresses are named; the rest is counted."""
ACTED_ON: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Passage:
    """One source and one door, with where exactly it was tried."""

    source: str
    door: Door
    where: str

    @property
    def pair(self) -> tuple[str, Door]:
        """The passage without its addresses."""
        return self.source, self.door

    @property
    def line(self) -> str:
        """The passage as a line of the policy, empty where the policy language has no word for it."""
        strange = any(place.startswith(STRANGER) for place in (self.source, self.door.place))
        return "" if strange else f"{self.source} -> {self.door.arrow_head}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to act on."""

    word: Judgement
    cause: Cause | None
    reasons: tuple[str, ...]
    """One for each rule and outcome; each is the first flow's own sentence."""
    advice: Advice
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A toleration, and the passages that are open because of it now."""

    what: str
    why: str
    passages: tuple[Passage, ...]


def findings(proof: Proof, *, strict: bool) -> list[Finding]:
    """Return what to act on, the worst first. With `strict` what is tolerated is among it."""
    return grouped(scene(proof), seen(proof), strict=strict)


def grouped(view: Scene, flows: Iterable[Seen], *, strict: bool, advice: Says = advice) -> list[Finding]:
    """Return what to act on of these flows; `advice` says what to do about one of them."""
    words = (*ACTED_ON, Judgement.TOLERATED) if strict else ACTED_ON
    kinds: dict[tuple[Judgement, Cause | None, Advice], list[Seen]] = {}
    for item in flows:
        if item.flow.judgement in words:
            kinds.setdefault((item.flow.judgement, item.flow.cause, advice(view, item)), []).append(item)
    found = [
        Finding(word, cause, _reasons(kind), remedy, tuple(_passages(view, kind)))
        for (word, cause, remedy), kind in kinds.items()
    ]
    return sorted(found, key=lambda item: (WORST_FIRST.index(item.word), item.cause is not Cause.DRIFT))


def _reasons(flows: Iterable[Seen]) -> tuple[str, ...]:
    """Return the reasons that differ in more than an address: one stands for all of the same rule and outcome."""
    told: dict[tuple[str, ...], str] = {}
    for item in flows:
        flow = item.flow
        by_rule = flow.judgement in (Judgement.BREACH, Judgement.BROKEN)
        told.setdefault((flow.rule, flow.outcome) if by_rule else (flow.reason,), flow.reason)
    return tuple(dict.fromkeys(told.values()))


def accepted(proof: Proof) -> list[Accepted]:
    """Return every toleration of the policy with what it covers now."""
    return excused(scene(proof), seen(proof), proof.policy)


def excused(view: Scene, flows: Iterable[Seen], policy: PolicyPart | None) -> list[Accepted]:
    """Return every toleration of a policy with what it covers of these flows."""
    covered: dict[str, list[Seen]] = {}
    for item in flows:
        if item.flow.judgement is Judgement.TOLERATED:
            covered.setdefault(item.flow.intended_by, []).append(item)
    return [
        Accepted(part.what, part.why, tuple(_passages(view, covered.get(f"{POLICY_KEY}.tolerate[{i}]", ()))))
        for i, part in enumerate(policy.tolerate if policy else ())
    ]


def drifted(proof: Proof) -> dict[tuple[Reach, Reach], list[Seen]]:
    """Return the flows that are right by the policy and yet not what the file predicts, by (observed, predicted)."""
    found: dict[tuple[Reach, Reach], list[Seen]] = {}
    for item in seen(proof):
        if item.flow.drift and item.flow.judgement not in ACTED_ON:
            found.setdefault((item.flow.observed, item.flow.predicted), []).append(item)
    return found


def _passages(view: Scene, flows: Iterable[Seen]) -> Iterator[Passage]:
    for (source, end), group in passages(flows).items():
        yield Passage(source, end, where(view, group))


def where(view: Scene, flows: Iterable[Seen]) -> str:
    """Sum up the addresses of one passage by network, as the end of a sentence."""
    ends = sorted({(_road(view, item), item.target.address) for item in flows})
    roads = {road: [end[1] for end in group if end[1]] for road, group in groupby(ends, key=lambda end: end[0])}
    held = [road.format(listed(addresses)) for road, addresses in roads.items() if addresses]
    lost = [road.format("no address") for road, addresses in roads.items() if not addresses]
    return (f" at {' and '.join(held)}" if held else "") + (f", which has {' and '.join(lost)}" if lost else "")


def _road(view: Scene, item: Seen) -> str:
    """Return the way to an endpoint, with a blank for its addresses."""
    if item.target.kind is Kind.PUBLISHED:
        # A port that the engine chooses has no number before it is chosen.
        return f"port {item.target.port} of the host ({{}})" if item.target.port else "a port of the host ({})"
    return f"{{}} on {view.label(item.target.network)}" if item.target.network else "{}"


def listed(names: Iterable[str], few: int = FEW) -> str:
    """Name a few and count the rest; one more than a few is named too, for counting it is not shorter."""
    items = list(names)
    if len(items) <= few + 1:
        return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)
    return f"{', '.join(items[:few])} and {len(items) - few} more"
