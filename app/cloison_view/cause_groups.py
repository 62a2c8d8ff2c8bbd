"""Groups the flows that need action by their cause, so that one entry is one thing to mend.

Input: a `Summary`, and a function that says what to do about a flow. Output: `ActionGroup`, the worst first.
Rule: a breach that the file opens belongs to one kind: a container that the file does not have, a published port,
egress, the host, or a network whose members reach each other. Other flows are grouped by what to do about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloison_view.action_items import (
    TOLERATED,
    Advice,
    Advise,
    ReportedConnection,
    reasons,
    reported_connections,
)
from cloison_view.connections import WORST_FIRST
from cloison_view.labels import ACTIONABLE, FOREIGN_PREFIX, HOST, OUTSIDE, sort_places
from cloison_view.locations import PUBLISHED
from cloison_view.records import Records
from cloison_view.summary import Summary

OPENED_BY_FILE: Final = ("breach", TOLERATED)
"""The judgements of flows that are grouped by kind, unless their cause is drift."""
MANY: Final = 3
"""The fewest services for which a flow says `*`, if they are all."""
ANY_SERVICE: Final = "*"
"""Every service of the project, in the policy language."""


class CauseKind(StrEnum):
    """What opens a flow, the most urgent first; the values are the words of reports."""

    FOREIGN = "foreign"
    PUBLISHED = "published"
    EGRESS = "egress"
    HOST = "host"
    NETWORK = "network"
    OTHER = ""
    """Drift, a broken flow, or an unknown one: what to do about it says more than its places."""


CAUSE_WORDS: Final[Mapping[CauseKind, str]] = {
    CauseKind.FOREIGN: "containers that are not in the file",
    CauseKind.PUBLISHED: "published ports",
    CauseKind.EGRESS: "egress to other machines",
    CauseKind.HOST: "the host",
    CauseKind.NETWORK: "network {}",
    CauseKind.OTHER: "",
}


@dataclass(frozen=True, slots=True)
class ActionGroup:
    """Flows with one judgement and one cause."""

    judgement: str
    cause: str
    """Of a breach: `file` or `drift`; else empty."""
    kind: CauseKind
    network: str
    """The network whose members reach each other, under the file's name; empty for another kind."""
    reasons: tuple[str, ...]
    """The reason of the first flow of each rule and outcome."""
    advices: tuple[Advice, ...]
    """What to do, in the order of the flows; several where a change settles a part of them only."""
    connections: tuple[ReportedConnection, ...]

    @property
    def cause_words(self) -> str:
        """What opens its connections; empty for drift and for what is not open."""
        return CAUSE_WORDS[self.kind].replace("{}", self.network)

    @property
    def count(self) -> int:
        """The number of connections."""
        return sum(len(connection.ends) for connection in self.connections)

    @property
    def sources(self) -> list[str]:
        """The places where its connections start."""
        return sort_places(connection.source for connection in self.connections)

    @property
    def targets(self) -> list[str]:
        """The places where its connections end."""
        return sort_places(connection.target for connection in self.connections)

    @property
    def is_mesh(self) -> bool:
        """Whether every member reaches every other one, at all ports of the group."""
        ends = {end for connection in self.connections for end in connection.ends}
        found = {(connection.source, end) for connection in self.connections for end in connection.ends}
        members = self.sources
        wanted = {(source, end) for source in members for end in ends if end.place != source}
        return len(members) > 2 and members == self.targets and found == wanted  # noqa: PLR2004  # two are a pair


def action_groups(summary: Summary, advise: Advise, *, strict: bool = False) -> list[ActionGroup]:
    """Return the entries that need action, the worst first. With `strict` tolerated flows are among them."""
    judgements = (*ACTIONABLE, TOLERATED) if strict else ACTIONABLE
    records = summary.records
    found: dict[tuple[str, str, CauseKind, str, Advice | None], list[int]] = {}
    advices: dict[int, Advice] = {}
    for position in summary.positions_where(*judgements):
        judgement, cause = records.value(position, "judgement"), records.cause(position) or ""
        advices[position] = advise(position)
        kind, network = _kind(records, position) if judgement in OPENED_BY_FILE and cause != "drift" else _OTHER
        settled_by = advices[position] if kind is CauseKind.OTHER else None
        found.setdefault((judgement, cause, kind, network, settled_by), []).append(position)
    groups = [
        ActionGroup(
            judgement,
            cause,
            kind,
            network,
            reasons(summary, judgement, flows),
            tuple(dict.fromkeys(advices[position] for position in flows)),
            tuple(reported_connections(summary, judgement, flows)),
        )
        for (judgement, cause, kind, network, _), flows in found.items()
    ]
    return sorted(groups, key=_rank)


_OTHER: Final = (CauseKind.OTHER, "")
_KINDS: Final = [*CauseKind]


def _rank(group: ActionGroup) -> tuple[int, bool, int, str]:
    return WORST_FIRST.index(group.judgement), group.cause != "drift", _KINDS.index(group.kind), group.network


def _kind(records: Records, position: int) -> tuple[CauseKind, str]:
    source, target = records.source(position).place, records.target(position)
    if any(place.startswith(FOREIGN_PREFIX) for place in (source, target.place)):
        return CauseKind.FOREIGN, ""
    if target.place == OUTSIDE:
        return CauseKind.EGRESS, ""
    if HOST in (source, target.place):
        return CauseKind.HOST, ""
    if target.kind == PUBLISHED or source == OUTSIDE:
        return CauseKind.PUBLISHED, ""
    if not target.network:  # a service in the host's namespace
        return CauseKind.HOST, ""
    return CauseKind.NETWORK, records.network_labels.get(target.network) or target.network


def policy_flows(group: ActionGroup, summary: Summary, *, only_listeners: bool = False) -> list[str]:
    """Return the group in the policy language: one flow for each target, listeners before places without a port.

    A target without a port covers its ports; with `only_listeners` it is left out. Empty where the language cannot name
    a place.
    """
    sources: dict[tuple[str, bool], list[str]] = {}
    for connection in group.connections:
        if any(place.startswith(FOREIGN_PREFIX) for place in (connection.source, connection.target)):
            return []
        for end in connection.ends:
            if only_listeners and not end.port:
                continue
            sources.setdefault((end.policy_target, connection.source != OUTSIDE), []).append(connection.source)
    whole = {key: frozenset(names) for key, names in sources.items() if ":" not in key[0]}
    kept = {
        (target, is_inside): names
        for (target, is_inside), names in sources.items()
        if ":" not in target or not whole.get((target.rpartition(":")[0], is_inside), frozenset()).issuperset(names)
    }
    return [
        f"{_sources(names, target, summary)} -> {_target(target, summary)}"
        for (target, is_inside), names in sorted(kept.items(), key=lambda item: (item[0][1], ":" not in item[0][0]))
    ]


def _sources(names: Iterable[str], target: str, summary: Summary) -> str:
    found = set(names)
    services = {*summary.records.networks} - set(_members(target.partition(":")[0], summary))
    sources = {name for label in found for name in _members(label, summary)}
    return ANY_SERVICE if len(sources) >= MANY and sources == services else ", ".join(sort_places(sources))


def _members(place: str, summary: Summary) -> tuple[str, ...]:
    return summary.members.get(place, (place,))


def _target(text: str, summary: Summary) -> str:
    """Return a target with the services of a folded place; a port stays behind the last of them."""
    place, colon, port = text.partition(":")
    return ", ".join(_members(place, summary)) + colon + port
