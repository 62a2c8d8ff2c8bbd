"""Renders the entries that need action as a list, each with links to its evidence.

Input: a proof document and its action items. Output: markup.
Rule: an entry names its sources and the ports of each target; the evidence has the addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cloison_view.action_items import ActionItem, Advice, ReportedConnection
from cloison_view.connections import Document
from cloison_view.labels import display_name, join_names, pluralize, shown, sort_places
from cloison_view.markup import Anchors, render_template
from cloison_view.ports import sorted_ports

MAX_SOURCES: Final = 8
"""A sentence names this many sources."""
MAX_REASONS: Final = 3
"""An entry shows this many reasons."""
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
    sentences: tuple[str, ...]
    """One for each target."""
    reasons: tuple[str, ...]
    more: str
    """The number of reasons that are not shown."""
    advice: Advice
    links: tuple[tuple[str, str], ...]
    """A text and an anchor of evidence for each pair of places."""


def action_list(proof: Document, items: Sequence[ActionItem], *, most: int = MAX_ITEMS_ABOVE) -> Markup:
    """Return the list; entries beyond `most` are collapsed."""
    return render_template("action_list.html", entries=list_entries(proof, items), first=most)


def list_entries(proof: Document, items: Iterable[ActionItem]) -> list[ListEntry]:
    """Return the entries of the list."""
    anchors = Anchors(proof)
    return [_entry(item, anchors) for item in items]


def _entry(item: ActionItem, anchors: Anchors) -> ListEntry:
    rest = len(item.reasons) - MAX_REASONS
    return ListEntry(
        item.judgement,
        item.cause,
        tuple(_sentence(item.judgement, target, group) for target, group in item.targets.items()),
        item.reasons[:MAX_REASONS],
        f"and {pluralize(rest, 'reason')} of the same kind" if rest > 0 else "",
        item.advice,
        tuple(_links(item, anchors)),
    )


def _sentence(judgement: str, target: str, connections: Sequence[ReportedConnection]) -> str:
    sources = sort_places(connection.source for connection in connections)
    names = join_names([shown(display_name(source)) for source in sources], MAX_SOURCES)
    by_scope: dict[str, list[ReportedConnection]] = {}
    for connection in connections:
        by_scope.setdefault(connection.scope, []).append(connection)
    ports = "; ".join(_port_words(group) + scope for scope, group in by_scope.items())
    return f"{names} {VERBS[judgement][len(sources) > 1]} {shown(display_name(target))} ({ports})"


def _port_words(connections: Iterable[ReportedConnection]) -> str:
    ends = sorted_ports(end for connection in connections for end in connection.ends)
    return ", ".join(end.port_words for end in ends)


def _links(item: ActionItem, anchors: Anchors) -> Iterator[tuple[str, str]]:
    for target, connections in item.targets.items():
        for source in sort_places(connection.source for connection in connections):
            text = (
                display_name(source) if len(item.targets) == 1 else f"{display_name(source)} → {display_name(target)}"
            )
            yield text, anchors.pair(source, target)
