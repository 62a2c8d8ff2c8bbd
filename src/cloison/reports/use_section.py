"""The section of the terminal report that says which lines of the policy are in use now.

Input: a proof whose connections were read. Output: lines of text.
Rule: a line is in use if a connection stood when the proof began at a flow that the line allows or tolerates. A line
that is not in use now may be needed later, so the section judges nothing.
"""

from __future__ import annotations

import re
from typing import Final

from rich.text import Text

from cloison.compose.policy_key import POLICY_KEY
from cloison.proof.schema import Proof, UsePart
from cloison.reports.limits import Limits, more
from cloison.reports.text import paragraph
from cloison_view.labels import display_name, pluralize

IN_USE: Final = "in use"
NOT_IN_USE: Final = "not in use now"
WIDTH: Final = 16
LINE: Final = re.compile(rf"{re.escape(POLICY_KEY)}\.(allow|tolerate)\[([0-9]+)\]")


def use_section(proof: Proof, width: int, limits: Limits) -> list[Text]:
    """Return a line for each line of the policy, those in use first; none where the connections were not read."""
    if proof.in_use is None or proof.policy is None:
        return []
    used = _used(proof, proof.in_use)
    texts = {
        **{("allow", i): text for i, text in enumerate(proof.policy.allow)},
        **{("tolerate", i): f"{part.what}, tolerated" for i, part in enumerate(proof.policy.tolerate)},
    }
    rows = [(IN_USE, f"{text} ({', '.join(used[key])})") for key, text in texts.items() if key in used]
    unused = [text for key, text in texts.items() if key not in used]
    rows += [(NOT_IN_USE, "; ".join(unused))] if unused else []
    lines = paragraph("The policy's lines when the proof began", width, style="bold") if rows else []
    for label, text in rows[: limits.items]:
        lines += paragraph(text, width, first=(f"  {label:<{WIDTH}}", "dim"))
    return lines + more(len(rows) - limits.items, "line")


def _used(proof: Proof, in_use: list[UsePart]) -> dict[tuple[str, int], list[str]]:
    """Return the connections that stood, by the line of the policy that their flows have."""
    by_ends: dict[tuple[str, str, str, int], set[str]] = {}
    for flow in proof.flows:
        end = proof.endpoints[flow.endpoint]
        key = (proof.vantages[flow.vantage].place, end.place, end.protocol, end.service_port)
        by_ends.setdefault(key, set()).add(flow.intended_by)
    found: dict[tuple[str, int], list[str]] = {}
    for part in in_use:
        for where in sorted(by_ends.get((part.source, part.target, part.protocol, part.port), ())):
            if match := LINE.fullmatch(where):
                found.setdefault((match[1], int(match[2])), []).append(_text(part))
    return found


def _text(part: UsePart) -> str:
    port = f":{part.port}" if part.port else ""
    ends = f"{display_name(part.source)} -> {display_name(part.target)}{port}"
    return f"{ends}: {pluralize(part.connections, 'connection')}"
