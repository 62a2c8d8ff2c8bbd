"""Shows what could be misused: one entry for all containers of which the same can be said."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from cloison.model.text import listed
from cloison.proof.schema import FindingPart, Proof
from cloison.reports.text import paragraph

MAX_NAMED_CONTAINERS: Final = 6
"""So many containers are named; the rest is counted."""


def risk_section(proof: Proof, width: int) -> list[Text]:
    """Return what could be misused, in the document's order, with the evidence of the first of each kind."""
    kinds: dict[tuple[str, str], list[FindingPart]] = {}
    for item in proof.findings:
        kinds.setdefault((item.what, item.sentence), []).append(item)
    lines = paragraph("What an attacker could make use of; it changes no verdict", width, style="bold") if kinds else []
    for (what, sentence), items in kinds.items():
        lines += paragraph(f"{_named(items)}: {sentence}", width, first=("  - ", ""))
        lines += paragraph(f"{what}: {items[0].evidence}", width, first=("    seen ", "dim"), style="dim")
    return lines


def _named(items: list[FindingPart]) -> str:
    return listed(dict.fromkeys(item.where for item in items), MAX_NAMED_CONTAINERS)
