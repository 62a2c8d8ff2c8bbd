"""Advice about services that are alike, given once for all of them.

Input: a document and its folded `Summary`. Output: an `Advise` function.
Rule: a change names one service, so the first changes stand for those of the services that are alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cloison_view.action_items import Advice, Advise
from cloison_view.advice import advice, tried_advice
from cloison_view.attachments import read_attachments, resolve
from cloison_view.summary import Pair, Summary

MAX_CHANGES: Final = 2
"""A connection of a folded place names this many changes."""
OTHERS: Final = "and the same for the services that are alike"


def folded_advice(proof: Any, summary: Summary) -> Advise:
    """Return a function that returns what to do about the flow at a position of a proof."""
    attachments, tried = read_attachments(proof), folded_changes(proof, summary)
    return lambda position: tried.get(position) or advice(attachments, resolve(proof, position))


def folded_changes(document: Any, summary: Summary) -> Mapping[int, Advice]:
    """Return the changes that were tried, by position; the flows of one folded connection have the same advice."""
    found = tried_advice(document)
    by_pair: dict[Pair, list[int]] = {}
    for position in found:
        pair = summary.pair(position)
        if not summary.members.keys().isdisjoint((pair[0], pair[1].place)):
            by_pair.setdefault(pair, []).append(position)
    for positions in by_pair.values():
        changes = list(dict.fromkeys(found[position] for position in positions))
        if len(changes) > 1:
            shown = [change.sentence for change in changes[:MAX_CHANGES]]
            others = [OTHERS] if len(changes) > MAX_CHANGES else []
            joined = replace(changes[0], sentence="; ".join([*shown, *others]))
            found.update(dict.fromkeys(positions, joined))
    return found
