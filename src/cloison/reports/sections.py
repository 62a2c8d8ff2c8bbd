"""The sections that the terminal reports of a proof and of a plan share, beside the action items: matrix, tolerations.

Input: a `Summary` and tolerations. Output: lines of text.
Rule: a section does not depend on whether a flow was observed or predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from cloison.reports.limits import Limits, more
from cloison.reports.symbols import legend
from cloison.reports.table_layout import table_lines
from cloison.reports.text import paragraph, styled_line
from cloison_view.action_items import TolerationSummary
from cloison_view.labels import ANY_OTHER_PORT
from cloison_view.ports import ScopedPort, group_by_ports
from cloison_view.summary import Summary


def join_sections(parts: Iterable[Sequence[Text]]) -> Iterator[Text]:
    """Put an empty line between the parts that are not empty."""
    for i, part in enumerate(filter(None, parts)):
        if i:
            yield Text("")
        yield from part


def matrix_section(summary: Summary, width: int, limits: Limits) -> list[Text]:
    """Return the matrix with its legend."""
    if not summary.sources:
        return []
    marks = [
        styled_line((item.text, item.style), (f" {item.meaning}", "dim"))
        for item in legend(summary.connections, has_policy=summary.records.has_policy)
    ]
    marks.append(styled_line((ANY_OTHER_PORT, "bold"), (" any other port", "dim")))
    return [*table_lines(summary, width, limits), Text(""), *_filled(marks, width)]


def _filled(marks: Sequence[Text], width: int) -> list[Text]:
    """Fill lines with marks; a mark is never broken."""
    rows: list[Text] = []
    for mark in marks:
        if rows and len(rows[-1]) + len(mark) + 3 <= width:
            rows[-1] = styled_line(("   ", "")).join([rows[-1], mark])
        else:
            rows.append(mark)
    return rows


def toleration_section(items: Sequence[TolerationSummary], summary: Summary, width: int, limits: Limits) -> list[Text]:
    """Return the tolerations with the connections that they cover."""
    lines = paragraph("Tolerated", width, style="bold") if items else []
    for item in items[: limits.tolerations]:
        lines += paragraph(f"{item.what}: {item.why}", width, first=("  ", ""))
        ends = [port for connection in item.connections for port in connection.scoped_ports]
        lines += connection_lines(ends, summary, width, limits)
        if not item.connections:
            lines.append(styled_line(("    no connection is open because of it now", "dim")))
    return lines + more(len(items) - limits.tolerations, "toleration")


def connection_lines(ends: Iterable[ScopedPort], summary: Summary, width: int, limits: Limits) -> list[Text]:
    """Return connections, one line for the sources that share their ports."""
    groups = group_by_ports(ends, summary.ports)
    lines = []
    for sources, ports in groups[: limits.texts]:
        lines += paragraph(f"{sources} -> {ports}", width, first=("    ", ""), style="dim")
    return lines + more(len(groups) - limits.texts, "source", indent="    ")
