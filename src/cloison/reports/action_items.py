"""Groups what a person has to act on: doors that share a word, a cause and a remedy are one finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final

from cloison.compose.project import POLICY_KEY
from cloison.model.flow import FOREIGN, HOST, LINK_LOCAL, EndpointKind
from cloison.model.outcome import Reach
from cloison.proof.schema import PolicyPart, Proof
from cloison.reports.advice import Advice, AdviceBuilder, advice
from cloison.reports.matrix import (
    MAX_NAMED,
    WORST_FIRST,
    ScopedConnection,
    TargetPort,
    connections,
    join_names,
    named,
    target_port,
)
from cloison.reports.scope import ONLY, scope
from cloison.reports.topology import ResolvedFlow, Topology, read_topology, resolve_flows
from cloison.verdict.judge import Cause, Judgement

FlowsByConnection = Mapping[tuple[str, TargetPort], Sequence[ResolvedFlow]]
"""Every flow, by source and door."""
ACTIONABLE: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ReportedConnection:
    """One source and one door, or many ports of the host; over what alone (`limit`), and where it was tried."""

    source: str
    target_ports: tuple[TargetPort, ...]
    scope: str
    where: str

    @property
    def label(self) -> str:
        """What it leads to, in a sentence."""
        return " and ".join(named(self.target_ports)) + self.scope

    @property
    def ends(self) -> list[ScopedConnection]:
        """The passage without its addresses."""
        return [(self.source, end, self.scope) for end in self.target_ports]

    @property
    def lines(self) -> list[str]:
        """The passage as lines of the policy, none where the policy language has no word for it."""
        is_foreign = any(place.startswith(FOREIGN) for place in (self.source, self.target_ports[0].place))
        return [] if is_foreign else [f"{self.source} -> {end.policy_target}" for end in self.target_ports]


@dataclass(frozen=True, slots=True)
class ActionItem:
    """One thing to act on."""

    judgement: Judgement
    cause: Cause | None
    reasons: tuple[str, ...]
    """One for each rule and outcome; each is the first flow's own sentence."""
    advice: Advice
    connections: tuple[ReportedConnection, ...]


@dataclass(frozen=True, slots=True)
class TolerationSummary:
    """A toleration, and the passages that are open because of it now."""

    what: str
    why: str
    connections: tuple[ReportedConnection, ...]


def action_items(proof: Proof, *, strict: bool) -> list[ActionItem]:
    """Return what to act on, the worst first. With `strict` what is tolerated is among it."""
    return group_flows(read_topology(proof), resolve_flows(proof), strict=strict)


def group_flows(
    topology: Topology, flows: Iterable[ResolvedFlow], *, strict: bool, advice: AdviceBuilder = advice
) -> list[ActionItem]:
    """Return what to act on of these flows; `advice` says what to do about one of them."""
    words = (*ACTIONABLE, Judgement.TOLERATED) if strict else ACTIONABLE
    asked = list(flows)
    kinds: dict[tuple[Judgement, Cause | None, Advice], list[ResolvedFlow]] = {}
    for item in asked:
        if item.flow.judgement in words:
            kinds.setdefault((item.flow.judgement, item.flow.cause, advice(topology, item)), []).append(item)
    whole = connections(asked)
    found = [
        ActionItem(judgement, cause, _reasons(kind), remedy, tuple(_connections(topology, kind, whole)))
        for (judgement, cause, remedy), kind in kinds.items()
    ]
    return sorted(found, key=lambda item: (WORST_FIRST.index(item.judgement), item.cause is not Cause.DRIFT))


def _reasons(flows: Iterable[ResolvedFlow]) -> tuple[str, ...]:
    """Return the reasons that differ in more than an address: one stands for all of the same rule and outcome."""
    first_reasons: dict[tuple[str, ...], str] = {}
    for item in flows:
        flow = item.flow
        by_rule = flow.judgement in (Judgement.BREACH, Judgement.BROKEN)
        first_reasons.setdefault((flow.rule, flow.outcome) if by_rule else (flow.reason,), flow.reason)
    return tuple(dict.fromkeys(first_reasons.values()))


def tolerations(proof: Proof) -> list[TolerationSummary]:
    """Return every toleration of the policy with what it covers now."""
    return tolerations_of(read_topology(proof), resolve_flows(proof), proof.policy)


def tolerations_of(
    topology: Topology, flows: Iterable[ResolvedFlow], policy: PolicyPart | None
) -> list[TolerationSummary]:
    """Return every toleration of a policy with what it covers of these flows."""
    asked = list(flows)
    covered: dict[str, list[ResolvedFlow]] = {}
    for item in asked:
        if item.flow.judgement is Judgement.TOLERATED:
            covered.setdefault(item.flow.intended_by, []).append(item)
    whole = connections(asked)
    return [
        TolerationSummary(
            part.what, part.why, tuple(_connections(topology, covered.get(f"{POLICY_KEY}.tolerate[{i}]", ()), whole))
        )
        for i, part in enumerate(policy.tolerate if policy else ())
    ]


def drifted_flows(proof: Proof) -> dict[tuple[Reach, Reach], list[ResolvedFlow]]:
    """Return the flows that are right by the policy and yet not what the file predicts, by (observed, predicted)."""
    found: dict[tuple[Reach, Reach], list[ResolvedFlow]] = {}
    for item in resolve_flows(proof):
        if item.flow.drift and item.flow.judgement not in ACTIONABLE:
            found.setdefault((item.flow.observed, item.flow.predicted), []).append(item)
    return found


def scoped_connections(
    topology: Topology, flows: Iterable[ResolvedFlow], whole: FlowsByConnection
) -> list[ScopedConnection]:
    """Return the passages of flows that differ from the rest of their doors."""
    found = connections(flows)
    return [(*pair, scope(topology, group, group, whole[pair]).words) for pair, group in found.items()]


def _connections(
    topology: Topology, flows: Iterable[ResolvedFlow], whole: FlowsByConnection
) -> Iterator[ReportedConnection]:
    """Yield the passages of flows; many ports of the host that differ in nothing else are one."""
    found: dict[tuple[str, str, TargetPort | None], list[list[ResolvedFlow]]] = {}
    for (source, end), group in connections(flows).items():
        own = None if end.place == HOST and end.port else end
        found.setdefault((source, _connection_scope(topology, group, whole[source, end]), own), []).append(group)
    for (source, words, _), groups in found.items():
        for part in [list(chain(*groups))] if len(groups) > MAX_NAMED else groups:
            yield ReportedConnection(source, tuple(dict.fromkeys(map(target_port, part))), words, where(topology, part))


def _connection_scope(topology: Topology, group: Sequence[ResolvedFlow], whole: Sequence[ResolvedFlow]) -> str:
    """Return over what alone a door has the word of these flows."""
    judgement = group[0].flow.judgement
    words = scope(topology, group, [item for item in whole if item.flow.judgement is judgement], whole).words
    # "Does not reach it over IPv6 only" would say the contrary.
    return words.removesuffix(ONLY) if judgement is Judgement.BROKEN else words


def where(topology: Topology, flows: Iterable[ResolvedFlow]) -> str:
    """Sum up the addresses of one passage by network, as the end of a sentence."""
    ends = sorted({(_location(topology, item), _address(item)) for item in flows})
    locations = {
        location: [end[1] for end in group if end[1]] for location, group in groupby(ends, key=lambda end: end[0])
    }
    held = [location.format(join_names(addresses)) for location, addresses in locations.items() if addresses]
    lost = [location.format("no address") for location, addresses in locations.items() if not addresses]
    return (f" at {_join_locations(held)}" if held else "") + (f", which has {_join_locations(lost)}" if lost else "")


def _join_locations(locations: Sequence[str]) -> str:
    """Join ways that may each be a list of addresses."""
    return (" and " if len(locations) == 2 else "; ").join(locations)  # noqa: PLR2004  # two are read at once


def _address(item: ResolvedFlow) -> str:
    """Return an address, where it says more than that it is the link's own."""
    address = item.target.address
    return "its link-local address" if address.startswith(LINK_LOCAL) else address


def _location(topology: Topology, item: ResolvedFlow) -> str:
    """Return the way to an endpoint, with a blank for its addresses."""
    if item.target.kind is EndpointKind.PUBLISHED:
        # A port that the engine chooses has no number before it is chosen.
        return f"port {item.target.port} of the host ({{}})" if item.target.port else "a port of the host ({})"
    return f"{{}} on {topology.label(item.target.network)}" if item.target.network else "{}"
