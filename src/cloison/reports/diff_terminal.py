"""The terminal report of a diff: the worse changes with their reasons, then the others by what happened.

Input: a diff. Output: text for a terminal of a given width.
Rule: colour adds no information; what is left out is counted.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from rich.text import Text

from cloison.diff.schema import Diff
from cloison.reports.diff_lines import DiffLine, counts, headline, lines, losses, subject
from cloison.reports.limits import more
from cloison.reports.sections import join_sections
from cloison.reports.text import paragraph, render_lines, styled_line

MIN_WIDTH: Final = 40
JSON_OPTION: Final = "--format json"
MAX_LINES: Final = 40
"""Worse changes that are named."""
MAX_OTHERS: Final = 12
"""Changes of another section that are named."""
STYLES: Final = {"WORSE": "bold red", "CHANGED": "bold", "THE SAME": "bold green"}


def render(diff: Diff, *, color: bool, width: int) -> str:
    """Return the report for a terminal of `width` columns."""
    available, word = max(width, MIN_WIDTH), headline(diff)
    found = list(lines(diff))
    head = paragraph(subject(diff), available, first=(f"{word}  ", STYLES[word]))
    worse = [line for line in found if line.worse]
    others = sorted((line for line in found if not line.worse), key=lambda line: line.title)
    sections = [
        [*head, *paragraph(counts(diff), available)],
        _worse(worse, losses(diff), available),
        *(_section(title, list(held), available) for title, held in groupby(others, key=lambda line: line.title)),
    ]
    return render_lines(join_sections(sections), color=color, width=available)


def _worse(found: list[DiffLine], lost: list[str], width: int) -> list[Text]:
    section = paragraph("Worse", width, style="bold") if found or lost else []
    section += [text for sentence in lost for text in paragraph(sentence, width, first=("  - ", "bold red"))]
    for line in found[:MAX_LINES]:
        section += paragraph(line.sentence, width, first=("  - ", "bold red"))
        section += paragraph(line.reason, width, first=("    why  ", "dim"))
    return section + more(len(found) - MAX_LINES, "worse change", where=JSON_OPTION)


def _section(title: str, found: list[DiffLine], width: int) -> list[Text]:
    section = [styled_line((title.capitalize(), "bold"))]
    for line in found[:MAX_OTHERS]:
        section += paragraph(line.sentence, width, first=("  - ", ""))
    return section + more(len(found) - MAX_OTHERS, "change", where=JSON_OPTION)
