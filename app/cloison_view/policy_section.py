"""Renders what stands beside the action items: the lines of the policy with their reasons and use, and the risks.

Input: a proof document and its `Summary`. Output: markup; empty where there is nothing to say.
Rule: every reason of the policy is on the page, whether anything is open because of it or not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from cloison_view.action_items import TOLERATE_LINE, TOLERATED
from cloison_view.connections import Document
from cloison_view.labels import join_names, pluralize
from cloison_view.markup import render_template
from cloison_view.policy_use import last_used, learned_since, policy_use
from cloison_view.risks import risks
from cloison_view.summary import Summary

MAX_CONTAINERS: Final = 6
"""A risk names this many containers; the rest is counted."""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A line of the policy: what it says, why, what it covers now, and which connections used it."""

    kind: str
    text: str
    why: str
    covers: str
    used_by: tuple[str, ...]
    last_used: str = ""
    """The day of the last use, where that is recorded; empty for none."""


def policy_section(proof: Document, summary: Summary) -> Markup:
    """Return the policy as a table; empty where the file has none."""
    if proof["policy"] is None:
        return Markup()
    learned = learned_since(proof) if proof.get("learned") else None
    knows_use = proof.get("in_use") is not None
    return render_template("policy.html", rows=policy_rows(proof, summary), knows_use=knows_use, learned=learned)


def policy_rows(proof: Document, summary: Summary) -> list[PolicyRow]:
    """Return a row for each line of the policy: those that allow, then the tolerations."""
    policy = proof["policy"]
    used = [line.used_by for line in policy_use(proof)] or [()] * (len(policy["allow"]) + len(policy["tolerate"]))
    last = last_used(proof) or {}
    allowed = [
        PolicyRow("allow", text, "", "", use, last.get(f"allow[{at}]", ""))
        for at, (text, use) in enumerate(zip(policy["allow"], used, strict=False))
    ]
    covered = _covered(summary)
    tolerated = [
        PolicyRow(
            "tolerate",
            part["what"],
            part["why"],
            _covers(covered[TOLERATE_LINE.format(at)]),
            use,
            last.get(f"tolerate[{at}]", ""),
        )
        for at, (part, use) in enumerate(zip(policy["tolerate"], used[len(allowed) :], strict=True))
    ]
    return allowed + tolerated


def _covered(summary: Summary) -> Counter[str]:
    """Return the number of connections that are open because of each toleration."""
    records = summary.records
    found = {
        (records.value(position, "intended_by"), pair)
        for pair, states in summary.states.items()
        for state, held in states.items()
        if state.judgement == TOLERATED
        for position in held
    }
    return Counter(line for line, _ in found)


def _covers(number: int) -> str:
    return f"{pluralize(number, 'connection')} open because of it" if number else "nothing is open because of it now"


def risk_section(proof: Document) -> Markup:
    """Return the security risks, one entry for all containers with the same risk; empty where there are none."""
    found = risks(proof)
    names = [
        f"every container ({len(risk.containers)})"
        if risk.is_everywhere
        else join_names(risk.containers, MAX_CONTAINERS)
        for risk in found
    ]
    return render_template("risks.html", risks=list(zip(names, found, strict=True))) if found else Markup()
