"""The section of the terminal report on security risks: one entry for all containers with the same risk.

Input: a proof. Output: lines of text, in the order of the document.
Rule: a risk does not change the verdict.
"""

from __future__ import annotations

from typing import Final

from rich.text import Text

from cloison.model.text import listed
from cloison.proof.schema import FindingPart, Proof
from cloison.reports.text import paragraph

MAX_NAMED_CONTAINERS: Final = 6
"""An entry names this many containers; the rest is counted."""


def risk_section(proof: Proof, width: int) -> list[Text]:
    """Return the risks, each with the evidence of its first container."""
    kinds: dict[tuple[str, str], list[FindingPart]] = {}
    for item in proof.findings:
        kinds.setdefault((item.what, item.sentence), []).append(item)
    lines = paragraph("Security risks (they do not change the verdict)", width, style="bold") if kinds else []
    for (what, sentence), items in kinds.items():
        lines += paragraph(f"{_named(items)}: {sentence}", width, first=("  - ", ""))
        lines += paragraph(f"{what}: {items[0].evidence}", width, first=("    evidence  ", "dim"), style="dim")
    return lines


def _named(items: list[FindingPart]) -> str:
    return listed(dict.fromkeys(item.where for item in items), MAX_NAMED_CONTAINERS)
