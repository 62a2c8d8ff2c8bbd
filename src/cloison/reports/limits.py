"""The limits of a terminal report: the number of lines does not depend on the size of the project.

Input: a `Summary`. Output: `Limits`, and the sentence about what a section leaves out.
Rule: a section shows what needs action first, and names the number of parts that it leaves out. The JSON document has
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cloison.reports.text import styled_line
from cloison_view.labels import MAX_NAMED, join_names, pluralize
from cloison_view.summary import Summary

MAX_PLACES: Final = 40
"""The report of a plan of more places is shortened."""
MANY_NETWORKS: Final = 4
"""In a project of that many networks a report may be longer."""
MAX_NAMES: Final = 8
"""A sentence names this many places or ports."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest numbers of parts that the sections show."""

    rows: int
    bands: int
    items: int
    """Action items, tolerations and kinds of drift."""
    texts: int
    """Sentences or lines of policy of one item."""
    reasons: int
    findings: int
    notes: int
    effects: int
    """Sentences about the effect of a proposal."""
    yaml_lines: int


DETAILED: Final = Limits(
    rows=60, bands=6, items=40, texts=12, reasons=MAX_NAMED, findings=40, notes=40, effects=4, yaml_lines=80
)
MEDIUM: Final = Limits(rows=16, bands=2, items=5, texts=3, reasons=2, findings=8, notes=4, effects=2, yaml_lines=10)
BRIEF: Final = Limits(rows=6, bands=1, items=1, texts=1, reasons=1, findings=1, notes=2, effects=1, yaml_lines=0)


def limits_for(summary: Summary) -> Limits:
    """Return the limits: a proof is detailed; a plan of many places is short, the more so on few networks.

    A proof shows what was found on a real machine, and a plan is printed at every change of a file.
    """
    records = summary.records
    if not records.is_plan or len({*(summary.whole or summary).sources, *records.networks}) <= MAX_PLACES:
        return DETAILED
    return MEDIUM if len(records.network_labels) >= MANY_NETWORKS else BRIEF


def hidden_places(sources: int, targets: int) -> list[Text]:
    """Return the line about the rows and columns that the matrix leaves out; no line where it leaves out none."""
    parts = [pluralize(count, f"more {noun}") for count, noun in ((sources, "source"), (targets, "target")) if count]
    return [styled_line((f"  … and {' and '.join(parts)}: --format json has all", "dim"))] if parts else []


def more(count: int, noun: str, *, indent: str = "  ", plural: str = "") -> list[Text]:
    """Return the line about the parts that a section leaves out; no line where it leaves out none."""
    if count <= 0:
        return []
    return [styled_line((f"{indent}… and {pluralize(count, f'more {noun}', plural)}: --format json has all", "dim"))]


def names(found: list[str], most: int = MAX_NAMES) -> str:
    """Return the names of places, shortened where there are many."""
    return ", ".join(found) if len(found) <= most + 1 else join_names(found, most)
