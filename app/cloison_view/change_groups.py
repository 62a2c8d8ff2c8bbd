"""Groups the changes between two proofs by what they mean, the worst news first.

Input: a `ProofDifference`. Output: `ChangeGroup`.
Rule: every change is in one group: the first whose condition it meets. What became a breach is never among the changes
that only opened, closed or changed otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloison_view.connections import WORST_FIRST
from cloison_view.difference import CLOSED, OPENED, ConnectionChange, ProofDifference
from cloison_view.labels import ACTIONABLE


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """Changes of one kind, the worst judgement of now first."""

    kind: str
    title: str
    changes: tuple[ConnectionChange, ...]

    @property
    def needs_action(self) -> bool:
        """Whether its connections need action now."""
        return self.kind in ACTIONABLE


def _judgements(change: ConnectionChange) -> tuple[str, str]:
    """Return the judgement before and after; empty where a proof does not have the connection."""
    return change.old.judgement if change.old else "", change.new.judgement if change.new else ""


def _became(judgement: str) -> Callable[[ConnectionChange], bool]:
    return lambda change: _judgements(change)[0] != judgement == _judgements(change)[1]


def _settled(change: ConnectionChange) -> bool:
    old, new = _judgements(change)
    return old in ACTIONABLE and new not in ACTIONABLE


GROUPS: Final[tuple[tuple[str, str, Callable[[ConnectionChange], bool]], ...]] = (
    ("breach", "Became a breach", _became("breach")),
    ("broken", "Became broken", _became("broken")),
    ("unknown", "Became unknown", _became("unknown")),
    ("opened", "Opened", lambda change: change.transition in OPENED),
    ("settled", "Needs no action any more", _settled),
    ("closed", "Closed", lambda change: change.transition in CLOSED),
    ("others", "Otherwise changed", lambda _: True),
)
"""Kind, title and condition of each group."""


def change_groups(difference: ProofDifference) -> list[ChangeGroup]:
    """Return the groups that have a change."""
    found: dict[str, list[ConnectionChange]] = {}
    for change in difference:
        kind = next(kind for kind, _, matches in GROUPS if matches(change))
        found.setdefault(kind, []).append(change)
    return [
        ChangeGroup(kind, title, tuple(sorted(found[kind], key=_rank))) for kind, title, _ in GROUPS if kind in found
    ]


def _rank(change: ConnectionChange) -> int:
    """Return a sort key: the worst judgement of now first, connections that are gone last."""
    return WORST_FIRST.index(change.new.judgement) if change.new else len(WORST_FIRST)
