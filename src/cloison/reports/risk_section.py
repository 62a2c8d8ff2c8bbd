"""The section of the terminal report on security risks: one entry for all containers with the same risk.

Input: a proof. Output: lines of text, the rare risks first.
Rule: a risk does not change the verdict. A risk of every container says little about any of them, so it is one line.
"""

from __future__ import annotations

from typing import Final

from rich.text import Text

from cloison.model.text import listed
from cloison.proof.schema import Proof
from cloison.reports.limits import Limits, more
from cloison.reports.text import paragraph
from cloison_view.risks import risks

MAX_NAMED_CONTAINERS: Final = 6
"""An entry names this many containers; the rest is counted."""


def risk_section(proof: Proof, width: int, limits: Limits) -> list[Text]:
    """Return the risks, each with the evidence of its first container."""
    found = risks(proof)
    lines = paragraph("Security risks (they do not change the verdict)", width, style="bold") if found else []
    for risk in found[: limits.findings]:
        if risk.is_everywhere:
            everyone = f"every container ({len(risk.containers)})"
            lines += paragraph(f"{everyone}: {risk.sentence} [{risk.what}]", width, first=("  - ", ""))
            continue
        names = listed(risk.containers, MAX_NAMED_CONTAINERS)
        lines += paragraph(f"{names}: {risk.sentence}", width, first=("  - ", ""))
        lines += paragraph(f"{risk.what}: {risk.evidence}", width, first=("    evidence  ", "dim"), style="dim")
    return lines + more(len(found) - limits.findings, "risk")
