"""Folds a proof or a plan into what people see: places, ports, connections, their judgements, and counts of both.

Input: the document as JSON or as the prober's structs. Output: a `Summary`, which every report and page renders.
Rule: a number about a proof is counted here and nowhere else. A connection is one source and one port of a target; the
canaries of TCP and UDP are one port (any other port). Its judgement is the worst of its flows, so every connection is
counted once. `tests/unit/reports/test_counts_agree.py` compares the reports with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, Final

from cloison_view.connections import OPEN, WORST_FIRST, StatePositions, positions, worst_state
from cloison_view.labels import sort_places
from cloison_view.ports import TargetPort
from cloison_view.records import Records, State, read_records
from cloison_view.scope import FULL_SCOPE, Scope, scope

SCOPED_JUDGEMENTS: Final = frozenset({"breach", "broken", "unknown", "tolerated"})
"""The judgements whose scope is shown where they do not hold for the whole connection."""
Pair = tuple[str, TargetPort]
"""A source and a port."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One source and one port of a target."""

    source: str
    end: TargetPort
    intended: str
    predicted: str
    observed: str
    judgement: str
    """The worst of its flows."""
    drift: bool
    is_open: bool
    """Whether one of the flows that have the judgement is open."""
    scope: Scope
    """For which protocol or version of IP it has the judgement, where that is not all of them."""
    flows: tuple[int, ...]
    """Positions in the document's `flows`."""

    @property
    def target(self) -> str:
        """The place where it ends."""
        return self.end.place

    @property
    def pair(self) -> Pair:
        """The source and the port, which make it one connection."""
        return self.source, self.end


@dataclass(frozen=True)
class Summary:
    """Everything that a report counts or lists."""

    records: Records
    states: Mapping[Pair, StatePositions]
    connections: tuple[Connection, ...]
    """In the order of sources and ports."""
    whole: Summary | None = None
    """The summary that was folded, None where places are as in the document: see `cloison_view.alike`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The name of the folded place of each service that is in one."""
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The services of each folded place."""
    ranges: Mapping[TargetPort, TargetPort] = field(default_factory=dict)
    """The range of each port that is in one."""

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The places where connections start: services, foreign containers, host, outside."""
        return tuple(dict.fromkeys(connection.source for connection in self.connections))

    @cached_property
    def ports(self) -> Mapping[str, tuple[TargetPort, ...]]:
        """The ports of each target, in the order of places; numbered ports first."""
        found = sort_ports(connection.end for connection in self.connections)
        return {place: tuple(ends) for place, ends in groupby(found, key=lambda end: end.place)}

    @cached_property
    def by_pair(self) -> Mapping[Pair, Connection]:
        """The connections by source and port."""
        return {connection.pair: connection for connection in self.connections}

    @cached_property
    def order(self) -> Mapping[Pair, int]:
        """The place of each connection in the order of connections."""
        return {connection.pair: position for position, connection in enumerate(self.connections)}

    @cached_property
    def connection_counts(self) -> Mapping[str, int]:
        """How many connections have each judgement, the worst first; folded places change no number."""
        if self.whole:
            return self.whole.connection_counts
        return _worst_first(Counter(connection.judgement for connection in self.connections))

    def counts_of(self, *judgements: str) -> dict[str, int]:
        """Return the numbers of connections that have one of these judgements."""
        return {name: number for name, number in self.connection_counts.items() if name in judgements}

    @cached_property
    def flow_counts(self) -> Mapping[str, int]:
        """How many flows have each judgement, the worst first, and how many differ from their prediction (`drift`)."""
        found: Counter[str] = Counter()
        for states in self.states.values():
            for state, held in states.items():
                found[state.judgement] += len(held)
                found["drift"] += len(held) * state.drift
        return _worst_first(found)

    def pair(self, position: int) -> Pair:
        """Return the connection to which the flow at a position belongs."""
        records = self.records
        source, end = records.source(position).place, records.target_ports[records.value(position, "endpoint")]
        end = self.ranges.get(end, end)
        if not self.labels:
            return source, end
        place = self.labels.get(end.place, end.place)
        return self.labels.get(source, source), end if place == end.place else end._replace(place=place)

    def grouped(self, flows: Iterable[int]) -> dict[Pair, list[int]]:
        """Return flows by their connection, in the order of connections."""
        found: dict[Pair, list[int]] = {}
        for position in flows:
            found.setdefault(self.pair(position), []).append(position)
        return {pair: found[pair] for pair in sorted(found, key=self.order.__getitem__)}

    def positions_where(self, *judgements: str) -> list[int]:
        """Return the positions of all flows that have one of these judgements, in the document's order."""
        return sorted(
            position
            for states in self.states.values()
            for state, held in states.items()
            if state.judgement in judgements
            for position in held
        )

    def scope_of(self, pair: Pair, part: Iterable[int], judgement: str) -> Scope:
        """Return the scope of some flows of a connection; `judgement` is theirs."""
        states = self.states[pair]
        same = (position for state, held in states.items() if state.judgement == judgement for position in held)
        versions = self.records.protocol_versions
        return scope(versions(part), versions(same), versions(positions(states)))


def summarize(document: Any) -> Summary:
    """Return the summary of a proof or a plan: a mapping of its JSON members, or a struct."""
    records = read_records(document)
    states = _states(records)
    return Summary(records, states, connections_of(records, states))


def count_connections(document: Any) -> Mapping[str, int]:
    """Return `Summary.connection_counts` of a document without its summary, which takes several times as long."""
    return _worst_first(Counter(worst_state(held).judgement for held in _states(read_records(document)).values()))


def _states(records: Records) -> dict[Pair, StatePositions]:
    """Return the positions of all flows by their connection and state."""
    ends = {
        (end.place, end.protocol, end.service_port): port
        for end, port in zip(records.endpoints, records.target_ports, strict=True)
    }
    ports = [ends[end.place, end.protocol, end.service_port] for end in records.endpoints]
    sources = [start.place for start in records.vantages]
    states: dict[Pair, StatePositions] = {}
    for position, (vantage, endpoint, state) in enumerate(records.states()):
        states.setdefault((sources[vantage], ports[endpoint]), {}).setdefault(state, []).append(position)
    return states


def connections_of(records: Records, states: Mapping[Pair, StatePositions]) -> tuple[Connection, ...]:
    """Return the connections with these flows, in the order of sources and ports."""
    return tuple(_connection(records, pair, states[pair]) for pair in _ranks(states))


def sort_ports(ports: Iterable[TargetPort]) -> list[TargetPort]:
    """Sort ports for the eye: by place, numbered ports first, any other port last."""
    wanted = set(ports)
    rank = {place: i for i, place in enumerate(sort_places(end.place for end in wanted))}
    return sorted(wanted, key=lambda end: (rank[end.place], end.port == 0, end.port, end.protocol))


def _ranks(pairs: Iterable[Pair]) -> list[Pair]:
    """Return pairs in the order of their sources, and of their ports within a source."""
    found = list(pairs)
    sources = {place: i for i, place in enumerate(sort_places(source for source, _ in found))}
    ports = {end: i for i, end in enumerate(sort_ports(end for _, end in found))}
    return sorted(found, key=lambda pair: (sources[pair[0]], ports[pair[1]]))


def _connection(records: Records, pair: Pair, states: StatePositions) -> Connection:
    source, end = pair
    if len(states) == 1:
        ((state, flows),) = states.items()
        # By position, because a document has tens of thousands: the members of `State` are those of `Connection`.
        return Connection(source, end, *state, state.observed == OPEN, FULL_SCOPE, tuple(sorted(flows)))
    state = worst_state(states)
    worst = [own for own in states if own.judgement == state.judgement]
    return Connection(
        source,
        end,
        intended=state.intended,
        predicted=state.predicted,
        observed=state.observed,
        judgement=state.judgement,
        drift=state.drift,
        is_open=any(own.observed == OPEN for own in worst),
        scope=_scope(records, worst, states) if state.judgement in SCOPED_JUDGEMENTS else FULL_SCOPE,
        flows=positions(states),
    )


def _scope(records: Records, worst: list[State], states: StatePositions) -> Scope:
    if len(worst) == len(states):
        return FULL_SCOPE
    covered = records.protocol_versions(position for state in worst for position in states[state])
    return scope(covered, covered, records.protocol_versions(positions(states)))


def _worst_first(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in (*WORST_FIRST, "drift") if counts[name]}
