"""Parts that reports for a terminal share: the matrix, what to act on, what is tolerated.

Rule: a part is given what it shows and how it is worded; it does not know whether that was seen or predicted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.text import Text

from cloison.reports.action_items import ActionItem, ReportedConnection, TolerationSummary
from cloison.reports.matrix import ANY_OTHER_PORT, MAX_NAMED, ReachMatrix, ScopedConnection, group_by_ports
from cloison.reports.symbols import SYMBOLS, legend
from cloison.reports.table_layout import table_lines
from cloison.reports.text import paragraph, styled_line
from cloison.reports.topology import display_name
from cloison.verdict.judge import Judgement

EntryTemplates = Mapping[Judgement, tuple[str, str, str]]
"""How a finding begins: its label, and the sentence of a passage from one source, and from several."""
COUNT_NOUNS: Final = {
    Judgement.BREACH: ("breach", "breaches"),
    Judgement.BROKEN: ("broken door", "broken doors"),
    Judgement.UNKNOWN: ("unknown door", "unknown doors"),
    Judgement.TOLERATED: ("tolerated door", "tolerated doors"),
}


def join_sections(parts: Iterable[Sequence[Text]]) -> Iterator[Text]:
    """Put an empty line between the parts that say something."""
    for i, part in enumerate(filter(None, parts)):
        if i:
            yield Text("")
        yield from part


def matrix_section(matrix: ReachMatrix, width: int) -> list[Text]:
    """Return the matrix with its legend."""
    if not matrix.sources:
        return []
    marks = [
        styled_line((item.text, item.style), (f" {item.meaning}", "dim")) for item in legend(matrix.cells.values())
    ]
    marks.append(styled_line((ANY_OTHER_PORT, "bold"), (" any other port", "dim")))
    return [*table_lines(matrix, width), Text(""), *_filled(marks, width)]


def _filled(marks: Sequence[Text], width: int) -> list[Text]:
    """Fill lines with marks; one is never broken."""
    rows: list[Text] = []
    for mark in marks:
        if rows and len(rows[-1]) + len(mark) + 3 <= width:
            rows[-1] = styled_line(("   ", "")).join([rows[-1], mark])
        else:
            rows.append(mark)
    return rows


def action_section(
    items: Sequence[ActionItem], matrix: ReachMatrix, width: int, templates: EntryTemplates
) -> list[Text]:
    """Return the findings; `entries` says how one begins."""
    if not items:
        return []
    counts = Counter(dict.fromkeys(COUNT_NOUNS, 0))
    for item in items:
        counts[item.judgement] += len({end for passage in item.connections for end in passage.ends})
    counts_text = [f"{n} {COUNT_NOUNS[judgement][n > 1]}" for judgement, n in counts.items() if n]
    lines = paragraph(f"To act on: {', '.join(counts_text)}", width, style="bold")
    for item in items:
        lines += [Text(""), *_action_item(item, matrix, width, templates)]
    return lines + _policy_hint(items, width)


def _action_item(item: ActionItem, matrix: ReachMatrix, width: int, templates: EntryTemplates) -> list[Text]:
    lines = _connections(item, matrix, width, templates)
    for reason in item.reasons[:MAX_NAMED]:
        lines += paragraph(reason, width, first=("    why  ", "dim"))
    if len(item.reasons) > MAX_NAMED:
        lines.append(
            styled_line((f"         and {pluralize(len(item.reasons) - MAX_NAMED, 'reason')} of the same kind", ""))
        )
    lines += paragraph(item.advice.sentence, width, first=("    do   ", "dim"))
    lines += [styled_line(("         $ ", "dim"), (command, "cyan")) for command in item.advice.commands]
    return lines + [
        styled_line(("         " if i else "    or   ", "dim"), (f"- {line}", "cyan"))
        for i, line in enumerate(_policy_lines(item))
    ]


def _connections(item: ActionItem, matrix: ReachMatrix, width: int, templates: EntryTemplates) -> list[Text]:
    label, from_one, from_many = templates[item.judgement]
    mark = f"  {label} ({item.cause})  " if item.cause else f"  {label}  ", SYMBOLS[item.judgement][0].style
    if item.judgement is Judgement.UNKNOWN:
        texts = [
            f"{sources} -> {target_ports}"
            for sources, target_ports in group_by_ports(_scoped_connections(item.connections), matrix)
        ]
    else:
        texts = [
            (from_many if len(names) > 1 else from_one).format(source=", ".join(names), door=door, where=where)
            for (door, where), names in _sources_by_target(item.connections).items()
        ]
    return [line for text in texts for line in paragraph(text, width, first=mark)]


def _sources_by_target(connections: Iterable[ReportedConnection]) -> dict[tuple[str, str], list[str]]:
    """Return the sources of each door and the addresses at which it was tried."""
    sources: dict[tuple[str, str], list[str]] = {}
    for passage in connections:
        sources.setdefault((passage.label, passage.where), []).append(display_name(passage.source))
    return sources


def _policy_lines(item: ActionItem) -> list[str]:
    """Return the lines of policy that would settle a finding; one without a port covers those with one."""
    if not item.advice.policy:
        return []
    lines = list(dict.fromkeys(line for passage in item.connections for line in passage.lines))
    return [line for line in lines if ":" not in line or line.rpartition(":")[0] not in lines]


def _scoped_connections(connections: Iterable[ReportedConnection]) -> list[ScopedConnection]:
    return [end for passage in connections for end in passage.ends]


def _policy_hint(items: Sequence[ActionItem], width: int) -> list[Text]:
    """Say once where the lines that begin with a dash belong."""
    wanted = [line for item in items for line in _policy_lines(item)]
    if not wanted:
        return []
    return [
        Text(""),
        *paragraph(
            "The lines after `or` go into the file: under x-cloison.allow where the door is needed, "
            "or under x-cloison.tolerate where it is known and accepted, in this form:",
            width,
            first=("  ", ""),
        ),
        styled_line((f"    - flow: {wanted[0]}", "cyan")),
        styled_line(("      why: the next reader must be able to judge it", "cyan")),
    ]


def toleration_section(items: Sequence[TolerationSummary], matrix: ReachMatrix, width: int) -> list[Text]:
    """Return the tolerations with what they cover."""
    lines = paragraph("Tolerated", width, style="bold") if items else []
    for item in items:
        lines += paragraph(f"{item.what}: {item.why}", width, first=("  ", ""))
        lines += connection_lines(_scoped_connections(item.connections), matrix, width)
        if not item.connections:
            lines.append(styled_line(("    nothing is open because of it now", "dim")))
    return lines


def connection_lines(ends: Iterable[ScopedConnection], matrix: ReachMatrix, width: int) -> list[Text]:
    """Sum passages up, one line for the sources that share their doors."""
    lines = []
    for sources, target_ports in group_by_ports(ends, matrix):
        lines += paragraph(f"{sources} -> {target_ports}", width, first=("    ", ""), style="dim")
    return lines


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
