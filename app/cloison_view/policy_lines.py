"""Says which lines of the policy would allow or accept the connections of an action group, ready to paste.

Input: an `ActionGroup` and its `Summary`. Output: `PolicyLine`.
Rule: only a breach that the file opens has lines: a policy settles nothing that differs from the file. For a network
the lines allow its listeners, and one line accepts all of it; a toleration needs a reason besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloison_view.cause_groups import ANY_SERVICE, ActionGroup, CauseKind, policy_flows
from cloison_view.summary import Summary

ALLOW: Final = "allow"
ACCEPT: Final = "accept"
SECTIONS: Final = {ALLOW: "x-cloison.allow", ACCEPT: "x-cloison.tolerate"}
"""Where a line belongs in the file."""


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """A line, and whether it allows or accepts."""

    kind: str
    text: str

    @property
    def section(self) -> str:
        """The key of the file under which it belongs."""
        return SECTIONS[self.kind]


def policy_lines(group: ActionGroup, summary: Summary, *, max_names: int | None = None) -> list[PolicyLine]:
    """Return the lines, those that allow first; with `max_names` only lines that name no more places."""
    if group.judgement != "breach" or group.kind is CauseKind.OTHER:
        return []
    flows = policy_flows(group, summary, only_listeners=group.kind is CauseKind.NETWORK)
    lines = [
        PolicyLine(ALLOW, f'- "{flow}"' if flow.startswith(ANY_SERVICE) else f"- {flow}")
        for flow in flows
        if max_names is None or flow.count(",") < max_names
    ]
    return [*lines, PolicyLine(ACCEPT, f"- network: {group.network}")] if group.kind is CauseKind.NETWORK else lines
