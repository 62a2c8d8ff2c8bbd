"""Says which lines of the policy are in use: a connection stood when the proof began at a flow that the line covers.

Input: a proof document, as JSON or as the prober's structs. Output: `LineUse`, one for each line of the policy.
Rule: a line that is not in use now may be needed later, so nothing is judged here. Documents whose connections were
not read have no use at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloison_view.attachments import part
from cloison_view.labels import display_name, pluralize
from cloison_view.records import Records, read_records

DAY: Final = len("2026-01-31")
SECONDS: Final = 24 * 3600
LINE: Final = re.compile(r"x-cloison\.(allow|tolerate)\[([0-9]+)\]")
"""How a flow names the line of the policy that covers it, in `intended_by`."""


@dataclass(frozen=True, slots=True)
class LineUse:
    """A line of the policy, and the connections that stood at its flows."""

    text: str
    why: str
    """The reason of a toleration; empty for a line that allows."""
    used_by: tuple[str, ...]
    is_toleration: bool = False


def policy_use(proof: Any) -> list[LineUse]:
    """Return every line of the policy with its use; none where the connections were not read."""
    document = part(proof)
    stood = getattr(document, "in_use", None)
    if stood is None or document.policy is None:
        return []
    used, policy = _used(read_records(proof), stood), part(document.policy)
    allowed = [LineUse(text, "", tuple(used.get(("allow", i), ()))) for i, text in enumerate(policy.allow)]
    tolerated = [
        LineUse(found.what, found.why, tuple(used.get(("tolerate", i), ())), is_toleration=True)
        for i, found in enumerate(map(part, policy.tolerate))
    ]
    return allowed + tolerated


def last_used(proof: Any) -> Mapping[str, str] | None:
    """Return the day on which each line of the policy was used last, by list and position; None without a record.

    A line that is missing was not used while it was watched.
    """
    learned = getattr(part(proof), "learned", None)
    return None if learned is None else {name: time[:DAY] for name, time in part(learned).last_used.items()}


def learned_since(proof: Any) -> tuple[str, int]:
    """Return the day since which the use of the lines is recorded, and the whole days that were watched."""
    learned = part(part(proof).learned)
    return learned.since[:DAY], learned.watched_s // SECONDS


def _used(records: Records, stood: Any) -> Mapping[tuple[str, int], list[str]]:
    """Return the connections that stood, by the line of the policy that their flows have."""
    by_ends: dict[tuple[str, str, str, int], set[str]] = {}
    for position in range(len(records.flows)):
        end = records.target(position)
        key = (records.source(position).place, end.place, end.protocol, end.service_port)
        by_ends.setdefault(key, set()).add(records.value(position, "intended_by"))
    found: dict[tuple[str, int], list[str]] = {}
    for use in map(part, stood):
        for where in sorted(by_ends.get((use.source, use.target, use.protocol, use.port), ())):
            if match := LINE.fullmatch(where):
                found.setdefault((match[1], int(match[2])), []).append(_text(use))
    return found


def _text(use: Any) -> str:
    port = f":{use.port}" if use.port else ""
    ends = f"{display_name(use.source)} -> {display_name(use.target)}{port}"
    return f"{ends}: {pluralize(use.connections, 'connection')}"
