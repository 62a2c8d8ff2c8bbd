"""Sums up what needs action: doors of one word and one cause that lead to one place are one entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloison_view.connections import WORST_FIRST, Document, Door
from cloison_view.labels import ATTENTION, called, in_order, listed, many, ports, shown
from cloison_view.markup import Anchors

NAMED: Final = 8
"""So many sources are named."""
TOLD: Final = 3
"""So many reasons are told."""
SENTENCES: Final = {
    "breach": ("reaches", "reach"),
    "broken": ("does not reach", "do not reach"),
    "unknown": ("may or may not reach", "may or may not reach"),
}


@dataclass(frozen=True, slots=True)
class Act:
    """One entry of what needs action."""

    word: str
    cause: str
    sentence: str
    reasons: tuple[str, ...]
    more: str
    """How many reasons are not told."""
    sources: tuple[tuple[str, str], ...]
    """Each source with the anchor of its evidence."""


def acts(proof: Document, gathered: Iterable[Door]) -> list[Act]:
    """Return what needs action, the worst first."""
    anchors = Anchors(proof)
    kinds: dict[tuple[str, str, str], list[tuple[Door, dict[str, Any]]]] = {}
    for door in gathered:
        if door.judgement in ATTENTION:
            for flow in _worst(proof, door):
                kinds.setdefault((door.judgement, flow["cause"] or "", door.target), []).append((door, flow))
    found = sorted(kinds, key=lambda kind: (WORST_FIRST.index(kind[0]), kind[1], anchors.places.index(kind[2])))
    return [_act(kind, kinds[kind], anchors) for kind in found]


def _worst(proof: Document, door: Door) -> list[dict[str, Any]]:
    flows = [proof["flows"][position] for position in door.flows]
    return [flow for flow in flows if flow["judgement"] == door.judgement]


def _act(kind: tuple[str, str, str], found: Sequence[tuple[Door, dict[str, Any]]], anchors: Anchors) -> Act:
    word, cause, target = kind
    sources = in_order(door.source for door, _ in found)
    where = ", ".join(ports(door for door, _ in found)).replace("*", "any port")
    verb = SENTENCES[word][len(sources) > 1]
    names = listed([shown(called(source)) for source in sources], NAMED)
    reasons = _reasons(found)
    rest = len(reasons) - TOLD
    return Act(
        word,
        cause,
        f"{names} {verb} {shown(called(target))} ({where})",
        tuple(reasons[:TOLD]),
        f"and {many(rest, 'reason')} of the same kind" if rest > 0 else "",
        tuple((called(source), anchors.pair(source, target)) for source in sources),
    )


def _reasons(found: Iterable[tuple[Door, dict[str, Any]]]) -> list[str]:
    """Return one reason for each rule and outcome, the names of the sources aside."""
    told: dict[tuple[str, str], str] = {}
    for door, flow in found:
        rule = flow["rule"].replace(called(door.source), "")
        told.setdefault((rule, flow["outcome"]), flow["reason"])
    return list(dict.fromkeys(told.values()))
