"""Renders the connections that need action as a list, one entry for each cause, each with links to its evidence.

Input: a proof document and its action groups. Output: markup.
Rule: an entry says what is open, why, what to do, and which line of policy would allow or accept it. It names its
sources and the ports of each target; the evidence has the addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cloison_view.action_items import Advice, ReportedConnection
from cloison_view.advice import proof_advice
from cloison_view.cause_groups import ActionGroup, action_groups
from cloison_view.connections import Document
from cloison_view.labels import display_name, join_names, pluralize, shown, sort_places
from cloison_view.markup import Anchors, render_template
from cloison_view.policy_lines import PolicyLine, policy_lines
from cloison_view.ports import sorted_ports
from cloison_view.summary import Summary

MAX_SOURCES: Final = 8
"""A sentence names this many sources."""
MAX_SENTENCES: Final = 4
"""An entry shows this many sentences, changes and lines of policy; the rest is collapsed."""
MAX_REASONS: Final = 2
"""An entry shows this many reasons."""
MAX_LINKS: Final = 400
"""An entry links to this many pairs of places; the matrix links to all."""
MAX_ITEMS_ABOVE: Final = 10
"""The list shows this many entries; the rest is collapsed."""
VERBS: Final = {
    "breach": ("reaches", "reach"),
    "broken": ("does not reach", "do not reach"),
    "unknown": ("may or may not reach", "may or may not reach"),
}


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry of the list."""

    judgement: str
    cause: str
    heading: str
    """What opens its connections, and their number."""
    sentences: tuple[str, ...]
    """One for each target."""
    reasons: tuple[str, ...]
    more: str
    """The number of reasons that are not shown."""
    advices: tuple[Advice, ...]
    policy: tuple[PolicyLine, ...]
    links: tuple[tuple[str, str], ...]
    """A text and the address of the evidence for each pair of places."""


def action_list(proof: Document, summary: Summary, *, most: int = MAX_ITEMS_ABOVE, elsewhere: str = "") -> Markup:
    """Return the list, empty where nothing needs action; entries beyond `most` are collapsed."""
    entries = list_entries(proof, summary, elsewhere)
    return render_template("action_list.html", entries=entries, first=most, few=MAX_SENTENCES) if entries else Markup()


def list_entries(proof: Document, summary: Summary, elsewhere: str = "") -> list[ListEntry]:
    """Return the entries of the list, the worst first."""
    anchors = Anchors(proof, elsewhere)
    return [_entry(group, summary, anchors) for group in action_groups(summary, proof_advice(proof))]


def _entry(group: ActionGroup, summary: Summary, anchors: Anchors) -> ListEntry:
    rest = len(group.reasons) - MAX_REASONS
    targets: dict[str, list[ReportedConnection]] = {}
    for connection in group.connections:
        targets.setdefault(connection.target, []).append(connection)
    number = pluralize(group.count, "connection")
    return ListEntry(
        group.judgement,
        group.cause,
        f"{group.cause_words}: {number}" if group.cause_words else number,
        tuple(_sentence(group.judgement, target, found) for target, found in targets.items()),
        group.reasons[:MAX_REASONS],
        f"and {pluralize(rest, 'reason')} of the same kind" if rest > 0 else "",
        tuple(advice for advice in group.advices if advice.sentence),
        tuple(policy_lines(group, summary)),
        tuple(_links(targets, anchors)),
    )


def _sentence(judgement: str, target: str, connections: Sequence[ReportedConnection]) -> str:
    sources = sort_places(connection.source for connection in connections)
    names = join_names([shown(display_name(source)) for source in sources], MAX_SOURCES)
    by_scope: dict[str, list[ReportedConnection]] = {}
    for connection in connections:
        by_scope.setdefault(connection.scope, []).append(connection)
    ports = "; ".join(_port_words(found) + scope for scope, found in by_scope.items())
    return f"{names} {VERBS[judgement][len(sources) > 1]} {shown(display_name(target))} ({ports})"


def _port_words(connections: Iterable[ReportedConnection]) -> str:
    ends = sorted_ports(end for connection in connections for end in connection.ends)
    return ", ".join(end.port_words for end in ends)


def _links(targets: dict[str, list[ReportedConnection]], anchors: Anchors) -> Iterator[tuple[str, str]]:
    left = MAX_LINKS
    for target, connections in targets.items():
        for source in sort_places(connection.source for connection in connections)[:left]:
            name = display_name(source)
            yield name if len(targets) == 1 else f"{name} → {display_name(target)}", anchors.pair_link(source, target)
            left -= 1
