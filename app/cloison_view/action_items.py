"""The parts of an action group: its connections with their scope and addresses, its reasons; and the tolerations.

Input: a `Summary` and positions of flows. Output: `ReportedConnection`, `TolerationSummary`, sentences.
Rule: a connection is listed once. Many ports of the host that differ in nothing else share one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from cloison_view.labels import ACTIONABLE, HOST, MAX_NAMED, display_name
from cloison_view.locations import where
from cloison_view.ports import ScopedPort, TargetPort, named_ports
from cloison_view.scope import ONLY, scope
from cloison_view.summary import Pair, Summary

TOLERATED: Final = "tolerated"
TOLERATE_LINE: Final = "x-cloison.tolerate[{}]"
"""How a flow names the toleration that covers it, in `intended_by`."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A change, and the commands that make it or show more. `policy` is whether a line of policy would settle it."""

    sentence: str
    commands: tuple[str, ...] = ()
    policy: bool = False


NO_ADVICE: Final = Advice("")
Advise = Callable[[int], Advice]
"""Returns what to do about the flow at a position of the document."""


@dataclass(frozen=True, slots=True)
class ReportedConnection:
    """One source and one port, or many ports of the host; its scope in words, and its addresses."""

    source: str
    ends: tuple[TargetPort, ...]
    scope: str
    where: str

    @property
    def target(self) -> str:
        """The place where it ends."""
        return self.ends[0].place

    @property
    def label(self) -> str:
        """The target in a sentence."""
        return " and ".join(named_ports(self.ends)) + self.scope

    @property
    def scoped_ports(self) -> list[ScopedPort]:
        """The connection without its addresses."""
        return [(self.source, end, self.scope) for end in self.ends]


@dataclass(frozen=True, slots=True)
class TolerationSummary:
    """A toleration, and the connections that are open because of it."""

    what: str
    why: str
    connections: tuple[ReportedConnection, ...]


def tolerations(summary: Summary) -> list[TolerationSummary]:
    """Return every toleration of the policy with the connections that it covers now."""
    covered: dict[str, list[int]] = {}
    for position in summary.positions_where(TOLERATED):
        covered.setdefault(summary.records.value(position, "intended_by"), []).append(position)
    return [
        TolerationSummary(what, why, tuple(reported_connections(summary, TOLERATED, covered.get(_toleration(i), ()))))
        for i, (what, why) in enumerate(summary.records.tolerations)
    ]


def _toleration(position: int) -> str:
    return TOLERATE_LINE.format(position)


def drifted_flows(summary: Summary) -> dict[tuple[str, str], list[int]]:
    """Return the flows that need no action and differ from their prediction, by (observed, predicted)."""
    found: dict[tuple[str, str], list[int]] = {}
    for states in summary.states.values():
        for state, held in states.items():
            if state.drift and state.judgement not in ACTIONABLE:
                found.setdefault((state.observed, state.predicted), []).extend(held)
    return {key: sorted(found[key]) for key in sorted(found, key=lambda key: min(found[key]))}


def scoped_ports(summary: Summary, flows: Iterable[int]) -> list[ScopedPort]:
    """Return the connections of flows, each with the part of the connection that the flows are."""
    versions = summary.records.protocol_versions
    found = []
    for pair, group in summary.grouped(flows).items():
        part = versions(group)
        found.append((*pair, scope(part, part, versions(summary.by_pair[pair].flows)).words))
    return found


def reasons(summary: Summary, judgement: str, flows: Iterable[int]) -> tuple[str, ...]:
    """Return the reasons that differ in more than a name, an address or a port: one for each rule and outcome."""
    records, first_reasons = summary.records, dict[tuple[str, ...], str]()
    for position in flows:
        reason = records.value(position, "reason")
        rule = records.value(position, "rule").replace(f"port {records.target(position).port} of the host", "")
        for end in (records.source(position), records.target(position)):
            rule = rule.replace(display_name(end.place), "")
        key = (rule, records.outcome(position)) if judgement in ("breach", "broken") else (reason,)
        first_reasons.setdefault(key, reason)
    return tuple(dict.fromkeys(first_reasons.values()))


def reported_connections(summary: Summary, judgement: str, flows: Iterable[int]) -> Iterator[ReportedConnection]:
    """Yield the connections of flows; many ports of the host that differ in nothing else are one."""
    found: dict[tuple[str, str, TargetPort | None], dict[Pair, list[int]]] = {}
    for pair, group in summary.grouped(flows).items():
        source, end = pair
        own = None if end.place == HOST and end.port else end
        found.setdefault((source, _scope_words(summary, pair, group, judgement), own), {})[pair] = group
    for (source, words, _), groups in found.items():
        for part in [groups] if len(groups) > MAX_NAMED else [{pair: group} for pair, group in groups.items()]:
            yield _connection(summary, source, words, part)


def _connection(summary: Summary, source: str, words: str, groups: Mapping[Pair, Sequence[int]]) -> ReportedConnection:
    ends = tuple(end for _, end in groups)
    return ReportedConnection(source, ends, words, where(summary.records, chain(*groups.values())))


def _scope_words(summary: Summary, pair: Pair, group: Sequence[int], judgement: str) -> str:
    """Return the scope of some flows of a connection that have a judgement."""
    words = summary.scope_of(pair, group, judgement).words
    # "Does not reach it over IPv6 only" would say the contrary.
    return words.removesuffix(ONLY) if judgement == "broken" else words
