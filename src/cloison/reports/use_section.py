"""The section of the terminal report that says which lines of the policy are in use now.

Input: a proof. Output: lines of text.
Rule: `cloison_view.policy_use` finds the use; the section shows the lines in use first, and judges nothing.
"""

from __future__ import annotations

from typing import Final

from rich.text import Text

from cloison.proof.schema import Proof
from cloison.reports.limits import Limits, more
from cloison.reports.text import paragraph
from cloison_view.policy_use import LineUse, policy_use

IN_USE: Final = "in use"
NOT_IN_USE: Final = "not in use now"
WIDTH: Final = 16


def use_section(proof: Proof, width: int, limits: Limits) -> list[Text]:
    """Return a line for each line of the policy, those in use first; none where the connections were not read."""
    found = policy_use(proof)
    rows = [(IN_USE, f"{_text(line)} ({', '.join(line.used_by)})") for line in found if line.used_by]
    unused = [_text(line) for line in found if not line.used_by]
    rows += [(NOT_IN_USE, "; ".join(unused))] if unused else []
    lines = paragraph("The policy's lines when the proof began", width, style="bold") if rows else []
    for label, text in rows[: limits.items]:
        lines += paragraph(text, width, first=(f"  {label:<{WIDTH}}", "dim"))
    return lines + more(len(rows) - limits.items, "line")


def _text(line: LineUse) -> str:
    return f"{line.text}, tolerated" if line.is_toleration else line.text
