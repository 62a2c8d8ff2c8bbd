"""The section of the terminal report on security risks: one entry for all containers with the same risk.

Input: a proof. Output: lines of text, the rare risks first.
Rule: a risk does not change the verdict. A risk of every container says little about any of them, so it is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from cloison.model.text import listed
from cloison.proof.schema import FindingPart, Proof
from cloison.reports.limits import Limits, more
from cloison.reports.text import paragraph

MAX_NAMED_CONTAINERS: Final = 6
"""An entry names this many containers; the rest is counted."""
FEW: Final = 2
"""A risk of every one of so few containers is shown like any other."""


def risk_section(proof: Proof, width: int, limits: Limits) -> list[Text]:
    """Return the risks, each with the evidence of its first container."""
    kinds: dict[tuple[str, str], list[FindingPart]] = {}
    for item in proof.findings:
        kinds.setdefault((item.what, item.sentence), []).append(item)
    every = {start.container for start in proof.vantages if start.container}
    found = sorted(kinds.items(), key=lambda kind: len(_names(kind[1])))
    lines = paragraph("Security risks (they do not change the verdict)", width, style="bold") if found else []
    for (what, sentence), items in found[: limits.findings]:
        if len(every) > FEW and every.issubset(_names(items)):
            everyone = f"every container ({len(_names(items))})"
            lines += paragraph(f"{everyone}: {sentence} [{what}]", width, first=("  - ", ""))
            continue
        lines += paragraph(f"{listed(_names(items), MAX_NAMED_CONTAINERS)}: {sentence}", width, first=("  - ", ""))
        lines += paragraph(f"{what}: {items[0].evidence}", width, first=("    evidence  ", "dim"), style="dim")
    return lines + more(len(found) - limits.findings, "risk")


def _names(items: Sequence[FindingPart]) -> list[str]:
    return list(dict.fromkeys(item.where for item in items))
