"""Sums flows up into doors: what one place can do at one port of another, whatever the address and the container.

Rule: both canaries of a place, TCP and UDP, are one door: any other port. A door is as bad as its worst
flow, in the order of `WORST_FIRST`. What is summed up here is shared by every report that people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from cloison.model.flow import ANY_PORT, HOST, Protocol
from cloison.model.outcome import Reach
from cloison.proof.schema import Proof
from cloison.reports.scope import FULL_SCOPE, Scope, scope
from cloison.reports.topology import ResolvedFlow, Topology, display_name, read_topology, resolve_flows, sort_places
from cloison.verdict.judge import Judgement

WORST_FIRST: Final = (
    Judgement.BREACH,
    Judgement.BROKEN,
    Judgement.UNKNOWN,
    Judgement.TOLERATED,
    Judgement.UNJUDGED,
    Judgement.HOLDS,
)


SCOPED_JUDGEMENTS: Final = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN, Judgement.TOLERATED)
"""The words of which a cell says over what they hold, where that is not everything."""
ANY_OTHER_PORT: Final = "*"
"""Any other port."""
MAX_NAMED: Final = 3
"""So many names are named; the rest is counted."""


@dataclass(frozen=True, slots=True, order=True)
class TargetPort:
    """A port of a place; port 0, of no protocol, stands for every port that has no door of its own."""

    place: str
    protocol: str
    port: int
    is_every_port: bool = False
    """Whether it is the place's only door: none of its ports is asked by its number."""

    @property
    def suffix(self) -> str:
        """The protocol where it is not the usual one."""
        return "" if self.protocol in ("", Protocol.TCP) else f"/{self.protocol}"

    @property
    def port_label(self) -> str:
        """The door's name where its place is already said."""
        return f"{self.port or ('any' if self.is_every_port else ANY_OTHER_PORT)}{self.suffix}"

    @property
    def label(self) -> str:
        """The door's name in a sentence."""
        return display_name(self.place) + ("" if self.is_every_port else f":{self.port_label}")

    @property
    def policy_target(self) -> str:
        """The door as the policy language says it: without a port it means every port."""
        return f"{self.place}:{self.port}{self.suffix}" if self.port else self.place


@dataclass(frozen=True, slots=True)
class ConnectionSummary:
    """One source and one door: the worst word of its flows."""

    judgement: Judgement
    is_open: bool
    """Whether something got through, among the flows that have the worst word."""
    drift: bool
    scope: Scope = FULL_SCOPE
    """Over which protocol or version of IP alone it has that word, where that is not all of them."""


@dataclass(frozen=True, slots=True)
class PlacePorts:
    """The doors of one place."""

    place: str
    target_ports: tuple[TargetPort, ...]


@dataclass(frozen=True, slots=True)
class ReachMatrix:
    """Who reaches whom."""

    sources: tuple[str, ...]
    groups: tuple[PlacePorts, ...]
    cells: Mapping[tuple[str, TargetPort], ConnectionSummary]


def target_port(item: ResolvedFlow) -> TargetPort:
    """Return the door at which a flow ends."""
    port = item.target.service_port
    return TargetPort(item.target.place, item.target.protocol if port else "", port, not item.named)


def summarize(topology: Topology, flows: Sequence[ResolvedFlow]) -> ConnectionSummary:
    """Sum up the flows of one source and one door."""
    judgement = min((item.flow.judgement for item in flows), key=WORST_FIRST.index)
    worst = [item for item in flows if item.flow.judgement is judgement]
    return ConnectionSummary(
        judgement,
        is_open=any(item.flow.observed is Reach.OPEN for item in worst),
        drift=any(item.flow.drift for item in flows),
        scope=scope(topology, worst, worst, flows) if judgement in SCOPED_JUDGEMENTS else FULL_SCOPE,
    )


def connections(flows: Iterable[ResolvedFlow]) -> dict[tuple[str, TargetPort], list[ResolvedFlow]]:
    """Group flows by source and door, in the order of the matrix."""
    found: dict[tuple[str, TargetPort], list[ResolvedFlow]] = {}
    for item in flows:
        found.setdefault((item.source.place, target_port(item)), []).append(item)
    sources = sort_places((source for source, _ in found), host_last=True)
    target_ports = sort_ports(end for _, end in found)
    return {pair: found[pair] for pair in sorted(found, key=lambda p: (sources.index(p[0]), target_ports.index(p[1])))}


def sort_ports(target_ports: Iterable[TargetPort]) -> list[TargetPort]:
    """Sort doors for the eye: by place, named ports first, then every other port."""
    wanted = set(target_ports)
    rank = sort_places((item.place for item in wanted), host_last=False)
    return sorted(wanted, key=lambda item: (rank.index(item.place), item.port == ANY_PORT, item.port, item.protocol))


def reach_matrix(proof: Proof) -> ReachMatrix:
    """Sum a whole proof up."""
    return matrix_of(read_topology(proof), resolve_flows(proof))


def matrix_of(topology: Topology, flows: Iterable[ResolvedFlow]) -> ReachMatrix:
    """Sum flows up."""
    found = connections(flows)
    target_ports = sort_ports(end for _, end in found)
    return ReachMatrix(
        sources=tuple(sort_places((source for source, _ in found), host_last=True)),
        groups=tuple(
            PlacePorts(place, tuple(ends)) for place, ends in groupby(target_ports, key=lambda item: item.place)
        ),
        cells={pair: summarize(topology, flows) for pair, flows in found.items()},
    )


ScopedConnection = tuple[str, TargetPort, str]
"""A source, a door, and the limit in words."""


def group_by_ports(ends: Iterable[ScopedConnection], found: ReachMatrix) -> list[tuple[str, str]]:
    """Sum passages up as (sources, doors) in words: sources with the same doors share one line."""
    target_ports: dict[str, list[tuple[TargetPort, str]]] = {}
    for source, end, words in ends:
        target_ports.setdefault(source, []).append((end, words))
    sources_by_ports: dict[str, list[str]] = {}
    for source, held in target_ports.items():
        sources_by_ports.setdefault(_describe_ports(held, found), []).append(display_name(source))
    return [(", ".join(sources), words) for words, sources in sources_by_ports.items()]


def _describe_ports(target_ports: Sequence[tuple[TargetPort, str]], found: ReachMatrix) -> str:
    """Name doors; a place by its name alone is all of its ports, as in the policy language."""
    whole = {group.place: group.target_ports for group in found.groups}
    parts: list[str] = []
    for (place, words), group in groupby(target_ports, key=lambda item: (item[0].place, item[1])):
        ends = [end for end, _ in group]
        names = [display_name(place)] if len(ends) == len(whole[place]) else named(ends)
        parts += [name + words for name in names]
    return ", ".join(parts)


def named(target_ports: Sequence[TargetPort]) -> list[str]:
    """Name doors of one place; many ports of the host are counted, for it is not the file that opens them."""
    ports = [end for end in target_ports if end.port and end.place == HOST]
    if len(ports) <= MAX_NAMED:
        return [end.label for end in target_ports]
    counted = f"{HOST}: {len(ports)} ports ({join_names(end.port_label for end in ports)})"
    return [counted, *(end.label for end in target_ports if end not in ports)]


def join_names(names: Iterable[str], few: int = MAX_NAMED) -> str:
    """Name a few and count the rest; one more than a few is named too, for counting it is not shorter."""
    items = list(names)
    if len(items) <= few + 1:
        return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)
    return f"{', '.join(items[:few])} and {len(items) - few} more"
