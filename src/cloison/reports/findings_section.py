"""The section of a plan's terminal report with its lint findings and notes.

Input: a plan. Output: lines of text.
Rule: findings that differ in the name of their service only are one line, and the document has each of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cloison.plan.schema import Plan
from cloison.reports.limits import Limits, more
from cloison.reports.text import paragraph, styled_line
from cloison_view.alike import MIN_FOLDED, folded_name

SERVICES: Final = "services."


@dataclass(frozen=True, slots=True)
class _Finding:
    """One finding, or several that differ in the name of their service only."""

    where: str
    says: str


def findings_section(plan: Plan, width: int, limits: Limits) -> list[Text]:
    """Return the lint findings, each under the path of its key, and the notes."""
    found = list(_folded(plan))
    if not limits.findings and not plan.notes:
        return more(len(found), "finding in the file", plural="more findings in the file")
    lines = paragraph("In the file", width, style="bold") if found or plan.notes else []
    where = ""
    for item in found[: limits.findings]:
        if item.where != where:
            lines.append(styled_line(("  " + item.where, "cyan")))
        where = item.where
        lines += paragraph(item.says, width, first=("    - ", "dim"))
    lines += more(len(found) - limits.findings, "finding")
    lines += [line for note in plan.notes[: limits.notes] for line in paragraph(note, width, first=("  - ", ""))]
    return lines + more(len(plan.notes) - limits.notes, "note")


def _folded(plan: Plan) -> Iterator[_Finding]:
    """Yield the findings in their order; of those that differ in the name of a service, the first stands for all."""
    services = frozenset(service.name for service in plan.project.services)
    named = [(_service(part.where, services), part) for part in plan.remarks]
    keys = [(_without(name, part.where), _without(name, part.says)) for name, part in named]
    groups: dict[tuple[str, str], list[str]] = {}
    for key, (name, _) in zip(keys, named, strict=True):
        groups.setdefault(key, []).append(name)
    for key, (name, part) in zip(keys, named, strict=True):
        found = groups[key]
        if not name or len(found) < MIN_FOLDED:
            yield _Finding(part.where, part.says)
        elif found[0] == name:
            label, (where, says) = folded_name(found), key
            yield _Finding(where.format("*"), says.format(f"each of {label}" if says.startswith("{}") else label))


def _service(where: str, services: Collection[str]) -> str:
    """Return the service of a path, empty for another path. A name may have dots."""
    parts = where.removeprefix(SERVICES).split(".") if where.startswith(SERVICES) else []
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in services), "")


def _without(name: str, text: str) -> str:
    """Return a text with a blank in the place of a name; a text without the name is its own."""
    if not name:
        return text
    escaped = text.replace("{", "{{").replace("}", "}}")
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])|(?<=services\.){re.escape(name)}(?=\.)", "{}", escaped)
