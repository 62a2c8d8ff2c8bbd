"""The limits of a terminal report: the number of lines does not depend on the size of the project.

Input: a `Summary`. Output: `Limits`, and the sentence about what a section leaves out.
Rule: a section shows what needs action first, and names the number of parts that it leaves out; `--full` shows them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from rich.text import Text

from cloison.reports.text import styled_line
from cloison_view.labels import ACTIONABLE, MAX_NAMED, join_names, pluralize
from cloison_view.summary import Summary

FEW_SERVICES: Final = 8
"""The report of a project of no more services is detailed."""
SOME_SERVICES: Final = 20
"""The report of a project of no more services has about 60 lines."""
MANY_NETWORKS: Final = 4
"""In a project of that many networks a report may be longer."""
FULL_OPTION: Final = "--full"
MAX_NAMES: Final = 8
"""A sentence names this many places or ports."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest numbers of parts that the sections show."""

    rows: int
    bands: int
    items: int
    """Action items and kinds of drift."""
    tolerations: int
    texts: int
    """Sentences of one item."""
    reasons: int
    advices: int
    """Changes that settle a part of one item each."""
    policy: int
    """Lines of policy of one item."""
    findings: int
    notes: int
    effects: int
    """Sentences about the effect of a proposal."""
    yaml_lines: int
    networks: int = 8
    """Lines about networks where all of them are one item; 0 where each network is an item of its own."""
    is_spaced: bool = False
    """Whether there is an empty line before each action item."""


DETAILED: Final = Limits(
    rows=60,
    bands=6,
    items=40,
    tolerations=40,
    texts=12,
    reasons=MAX_NAMED,
    advices=MAX_NAMED,
    policy=6,
    findings=40,
    notes=40,
    effects=4,
    yaml_lines=80,
    networks=0,
    is_spaced=True,
)
SHORT: Final = Limits(
    rows=6,
    bands=1,
    items=8,
    tolerations=4,
    texts=1,
    reasons=0,
    advices=1,
    policy=1,
    findings=1,
    notes=2,
    effects=1,
    yaml_lines=0,
)
WIDE: Final = replace(SHORT, rows=14, networks=20, tolerations=8, findings=6, notes=4)
BRIEF: Final = replace(SHORT, rows=3, findings=0, tolerations=2)
EVERYTHING: Final[dict[str, Any]] = {
    part.name: sys.maxsize for part in fields(Limits) if part.name not in ("networks", "is_spaced")
}
FULL: Final = replace(DETAILED, **EVERYTHING)


def limits_for(summary: Summary) -> Limits:
    """Return the limits: the more services, the shorter; few networks have fewer causes to tell.

    Where nothing needs action the matrix is the report, and has more room.
    """
    records = summary.records
    services = len(records.networks)
    if services <= FEW_SERVICES:
        return DETAILED
    limits = SHORT if services <= SOME_SERVICES else WIDE if len(records.network_labels) >= MANY_NETWORKS else BRIEF
    return limits if summary.counts_of(*ACTIONABLE) else replace(limits, rows=24, bands=3)


def hidden_places(sources: int, targets: int) -> list[Text]:
    """Return the line about the rows and columns that the matrix leaves out; no line where it leaves out none."""
    parts = [pluralize(count, f"more {noun}") for count, noun in ((sources, "source"), (targets, "target")) if count]
    return [styled_line((f"  … and {' and '.join(parts)}: --full shows all", "dim"))] if parts else []


def more(count: int, noun: str, *, indent: str = "  ", plural: str = "", where: str = FULL_OPTION) -> list[Text]:
    """Return the line about the parts that a section leaves out; no line where it leaves out none."""
    if count <= 0:
        return []
    return [styled_line((f"{indent}… and {pluralize(count, f'more {noun}', plural)}: {where} shows all", "dim"))]


def names(found: list[str], most: int = MAX_NAMES) -> str:
    """Return the names of places, shortened where there are many."""
    return ", ".join(found) if len(found) <= most + 1 else join_names(found, most)
