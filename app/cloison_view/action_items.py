"""Sums up what needs action: connections of one judgement and one cause that lead to one place are one entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloison_view.connections import WORST_FIRST, Document, ProofConnection
from cloison_view.labels import ACTIONABLE, display_name, join_names, pluralize, ports, shown, sort_places
from cloison_view.markup import Anchors

MAX_SOURCES: Final = 8
"""So many sources are named."""
MAX_REASONS: Final = 3
"""So many reasons are given."""
SENTENCES: Final = {
    "breach": ("reaches", "reach"),
    "broken": ("does not reach", "do not reach"),
    "unknown": ("may or may not reach", "may or may not reach"),
}


@dataclass(frozen=True, slots=True)
class ActionItem:
    """One entry of what needs action."""

    judgement: str
    cause: str
    sentence: str
    reasons: tuple[str, ...]
    more: str
    """How many reasons are not told."""
    sources: tuple[tuple[str, str], ...]
    """Each source with the anchor of its evidence."""


def action_items(proof: Document, gathered: Iterable[ProofConnection]) -> list[ActionItem]:
    """Return what needs action, the worst first."""
    anchors = Anchors(proof)
    kinds: dict[tuple[str, str, str], list[tuple[ProofConnection, dict[str, Any]]]] = {}
    for connection in gathered:
        if connection.judgement in ACTIONABLE:
            for flow in _worst(proof, connection):
                kinds.setdefault((connection.judgement, flow["cause"] or "", connection.target), []).append(
                    (connection, flow)
                )
    found = sorted(kinds, key=lambda kind: (WORST_FIRST.index(kind[0]), kind[1], anchors.places.index(kind[2])))
    return [_action_item(kind, kinds[kind], anchors) for kind in found]


def _worst(proof: Document, connection: ProofConnection) -> list[dict[str, Any]]:
    flows = [proof["flows"][position] for position in connection.flows]
    return [flow for flow in flows if flow["judgement"] == connection.judgement]


def _action_item(
    kind: tuple[str, str, str], found: Sequence[tuple[ProofConnection, dict[str, Any]]], anchors: Anchors
) -> ActionItem:
    judgement, cause, target = kind
    sources = sort_places(connection.source for connection, _ in found)
    where = ", ".join(ports(connection for connection, _ in found)).replace("*", "any port")
    verb = SENTENCES[judgement][len(sources) > 1]
    names = join_names([shown(display_name(source)) for source in sources], MAX_SOURCES)
    reasons = _reasons(found)
    rest = len(reasons) - MAX_REASONS
    return ActionItem(
        judgement,
        cause,
        f"{names} {verb} {shown(display_name(target))} ({where})",
        tuple(reasons[:MAX_REASONS]),
        f"and {pluralize(rest, 'reason')} of the same kind" if rest > 0 else "",
        tuple((display_name(source), anchors.pair(source, target)) for source in sources),
    )


def _reasons(found: Iterable[tuple[ProofConnection, dict[str, Any]]]) -> list[str]:
    """Return one reason for each rule and outcome, the names of the sources aside."""
    first_reasons: dict[tuple[str, str], str] = {}
    for connection, flow in found:
        rule = flow["rule"].replace(display_name(connection.source), "")
        first_reasons.setdefault((rule, flow["outcome"]), flow["reason"])
    return list(dict.fromkeys(first_reasons.values()))
