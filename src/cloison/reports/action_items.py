"""Groups what a person has to act on: doors that share a word, a cause and a remedy are one finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final

from cloison.compose.project import POLICY_KEY
from cloison.model.facts import HOST, LINK_LOCAL, STRANGER, Kind
from cloison.model.outcome import Reach
from cloison.proof.schema import PolicyPart, Proof
from cloison.reports.advice import Advice, Says, advice
from cloison.reports.matrix import FEW, WORST_FIRST, Door, Passable, door, listed, named, passages
from cloison.reports.scope import ALONE, limit
from cloison.reports.topology import Scene, Seen, scene, seen
from cloison.verdict.judge import Cause, Judgement

Whole = Mapping[tuple[str, Door], Sequence[Seen]]
"""Every flow, by source and door."""
ACTED_ON: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Passage:
    """One source and one door, or many ports of the host; over what alone (`limit`), and where it was tried."""

    source: str
    doors: tuple[Door, ...]
    limit: str
    where: str

    @property
    def label(self) -> str:
        """What it leads to, in a sentence."""
        return " and ".join(named(self.doors)) + self.limit

    @property
    def ends(self) -> list[Passable]:
        """The passage without its addresses."""
        return [(self.source, end, self.limit) for end in self.doors]

    @property
    def lines(self) -> list[str]:
        """The passage as lines of the policy, none where the policy language has no word for it."""
        strange = any(place.startswith(STRANGER) for place in (self.source, self.doors[0].place))
        return [] if strange else [f"{self.source} -> {end.arrow_head}" for end in self.doors]


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
    asked = list(flows)
    kinds: dict[tuple[Judgement, Cause | None, Advice], list[Seen]] = {}
    for item in asked:
        if item.flow.judgement in words:
            kinds.setdefault((item.flow.judgement, item.flow.cause, advice(view, item)), []).append(item)
    whole = passages(asked)
    found = [
        Finding(word, cause, _reasons(kind), remedy, tuple(_passages(view, kind, whole)))
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
    asked = list(flows)
    covered: dict[str, list[Seen]] = {}
    for item in asked:
        if item.flow.judgement is Judgement.TOLERATED:
            covered.setdefault(item.flow.intended_by, []).append(item)
    whole = passages(asked)
    return [
        Accepted(part.what, part.why, tuple(_passages(view, covered.get(f"{POLICY_KEY}.tolerate[{i}]", ()), whole)))
        for i, part in enumerate(policy.tolerate if policy else ())
    ]


def drifted(proof: Proof) -> dict[tuple[Reach, Reach], list[Seen]]:
    """Return the flows that are right by the policy and yet not what the file predicts, by (observed, predicted)."""
    found: dict[tuple[Reach, Reach], list[Seen]] = {}
    for item in seen(proof):
        if item.flow.drift and item.flow.judgement not in ACTED_ON:
            found.setdefault((item.flow.observed, item.flow.predicted), []).append(item)
    return found


def limited(view: Scene, flows: Iterable[Seen], whole: Whole) -> list[Passable]:
    """Return the passages of flows that differ from the rest of their doors."""
    found = passages(flows)
    return [(*pair, limit(view, group, group, whole[pair]).words) for pair, group in found.items()]


def _passages(view: Scene, flows: Iterable[Seen], whole: Whole) -> Iterator[Passage]:
    """Yield the passages of flows; many ports of the host that differ in nothing else are one."""
    found: dict[tuple[str, str, Door | None], list[list[Seen]]] = {}
    for (source, end), group in passages(flows).items():
        own = None if end.place == HOST and end.port else end
        found.setdefault((source, _limit(view, group, whole[source, end]), own), []).append(group)
    for (source, words, _), groups in found.items():
        for part in [list(chain(*groups))] if len(groups) > FEW else groups:
            yield Passage(source, tuple(dict.fromkeys(map(door, part))), words, where(view, part))


def _limit(view: Scene, group: Sequence[Seen], whole: Sequence[Seen]) -> str:
    """Return over what alone a door has the word of these flows."""
    word = group[0].flow.judgement
    words = limit(view, group, [item for item in whole if item.flow.judgement is word], whole).words
    # "Does not reach it over IPv6 only" would say the contrary.
    return words.removesuffix(ALONE) if word is Judgement.BROKEN else words


def where(view: Scene, flows: Iterable[Seen]) -> str:
    """Sum up the addresses of one passage by network, as the end of a sentence."""
    ends = sorted({(_road(view, item), _address(item)) for item in flows})
    roads = {road: [end[1] for end in group if end[1]] for road, group in groupby(ends, key=lambda end: end[0])}
    held = [road.format(listed(addresses)) for road, addresses in roads.items() if addresses]
    lost = [road.format("no address") for road, addresses in roads.items() if not addresses]
    return (f" at {_joined(held)}" if held else "") + (f", which has {_joined(lost)}" if lost else "")


def _joined(roads: Sequence[str]) -> str:
    """Join ways that may each be a list of addresses."""
    return (" and " if len(roads) == 2 else "; ").join(roads)  # noqa: PLR2004  # two are read at once


def _address(item: Seen) -> str:
    """Return an address, where it says more than that it is the link's own."""
    address = item.target.address
    return "its link-local address" if address.startswith(LINK_LOCAL) else address


def _road(view: Scene, item: Seen) -> str:
    """Return the way to an endpoint, with a blank for its addresses."""
    if item.target.kind is Kind.PUBLISHED:
        # A port that the engine chooses has no number before it is chosen.
        return f"port {item.target.port} of the host ({{}})" if item.target.port else "a port of the host ({})"
    return f"{{}} on {view.label(item.target.network)}" if item.target.network else "{}"
