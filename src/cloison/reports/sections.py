"""The sections that the terminal reports of a proof and of a plan share: matrix, action items, tolerations.

Input: a `Summary`, items, and templates of sentences. Output: lines of text.
Rule: a section does not depend on whether a flow was observed or predicted; the caller passes the sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.text import Text

from cloison.reports.limits import BRIEF, Limits, limits_for, more
from cloison.reports.limits import names as names_of
from cloison.reports.symbols import SYMBOLS, legend
from cloison.reports.table_layout import table_lines
from cloison.reports.text import paragraph, styled_line
from cloison.verdict.judge import Judgement
from cloison_view.action_items import ActionItem, ReportedConnection, TolerationSummary
from cloison_view.labels import ACTIONABLE, ANY_OTHER_PORT, display_name, pluralize, to_act_on
from cloison_view.ports import ScopedPort, group_by_ports
from cloison_view.summary import Summary

EntryTemplates = Mapping[str, tuple[str, str, str]]
"""The label of an entry, and the sentence of a connection from one source and from several."""


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


def action_section(
    items: Sequence[ActionItem], summary: Summary, width: int, templates: EntryTemplates, *, strict: bool
) -> list[Text]:
    """Return the action items under the number of their connections. With `strict` tolerated ones are counted too."""
    if not items:
        return []
    judgements = (*ACTIONABLE, "tolerated") if strict else ACTIONABLE
    lines = paragraph(to_act_on(summary.counts_of(*judgements)), width, style="bold")
    limits = limits_for(summary)
    shown = items[: limits.items]
    for item in shown:
        lines += [Text(""), *_action_item(item, summary, width, templates, limits)]
    hidden = more(len(items) - len(shown), "entry", plural="more entries")
    return lines + ([Text(""), *hidden] if hidden else []) + _policy_hint(shown, summary, width)


def _action_item(
    item: ActionItem, summary: Summary, width: int, templates: EntryTemplates, limits: Limits
) -> list[Text]:
    lines = _connections(item, summary, width, templates, limits)
    for reason in item.reasons[: limits.reasons]:
        lines += paragraph(reason, width, first=("    why  ", "dim"))
    hidden = len(item.reasons) - limits.reasons
    if hidden > 0 and limits is not BRIEF:
        lines.append(styled_line((f"         and {pluralize(hidden, 'reason')} of the same kind", "")))
    lines += paragraph(item.advice.sentence, width, first=("    do   ", "dim"))
    lines += [styled_line(("         $ ", "dim"), (command, "cyan")) for command in item.advice.commands]
    policy_lines = _policy_lines(item, summary)
    lines += [
        styled_line(("         " if i else "    or   ", "dim"), (f"- {line}", "cyan"))
        for i, line in enumerate(policy_lines[: limits.texts])
    ]
    return lines + more(len(policy_lines) - limits.texts, "line", indent="         ")


def _connections(
    item: ActionItem, summary: Summary, width: int, templates: EntryTemplates, limits: Limits
) -> list[Text]:
    label, from_one, from_many = templates[item.judgement]
    mark = f"  {label} ({item.cause})  " if item.cause else f"  {label}  ", SYMBOLS[item.judgement][0].style
    if item.judgement is Judgement.UNKNOWN:
        texts = [
            f"{sources} -> {ports}" for sources, ports in group_by_ports(_scoped_ports(item.connections), summary.ports)
        ]
    else:
        texts = [
            (from_many if len(names) > 1 or names[0] in summary.members else from_one).format(
                source=names_of(names), target=target, where=where
            )
            for (target, where), names in _sources_by_target(item.connections).items()
        ]
    lines = [line for text in texts[: limits.texts] for line in paragraph(text, width, first=mark)]
    return lines + more(len(texts) - limits.texts, "of this kind", plural="more of this kind")


def _sources_by_target(connections: Iterable[ReportedConnection]) -> dict[tuple[str, str], list[str]]:
    """Return the sources of each target and its addresses."""
    sources: dict[tuple[str, str], list[str]] = {}
    for connection in connections:
        sources.setdefault((connection.label, connection.where), []).append(display_name(connection.source))
    return sources


def _policy_lines(item: ActionItem, summary: Summary) -> list[str]:
    """Return the lines of policy that would allow the connections; one without a port covers those with one."""
    if not item.advice.policy or limits_for(summary) is BRIEF:
        return []
    lines = list(dict.fromkeys(line for connection in item.connections for line in connection.policy_lines))
    kept = [line for line in lines if ":" not in line or line.rpartition(":")[0] not in lines]
    return [_with_members(line, summary) for line in kept]


def _with_members(line: str, summary: Summary) -> str:
    """Return a line of policy that names the services of its folded places."""
    for label, names in summary.members.items():
        line = line.replace(label, ", ".join(names))
    return line


def _scoped_ports(connections: Iterable[ReportedConnection]) -> list[ScopedPort]:
    return [port for connection in connections for port in connection.scoped_ports]


def _policy_hint(items: Sequence[ActionItem], summary: Summary, width: int) -> list[Text]:
    """Return one explanation for the lines that begin with a dash."""
    wanted = [line for item in items for line in _policy_lines(item, summary)]
    if not wanted:
        return []
    return [
        Text(""),
        *paragraph(
            "The lines after `or` go into the file: under x-cloison.allow if the connection is needed, "
            "or under x-cloison.tolerate if it is known and accepted, in this form:",
            width,
            first=("  ", ""),
        ),
        styled_line((f"    - flow: {wanted[0]}", "cyan")),
        styled_line(("      why: a reason for the next reader", "cyan")),
    ]


def toleration_section(items: Sequence[TolerationSummary], summary: Summary, width: int, limits: Limits) -> list[Text]:
    """Return the tolerations with the connections that they cover."""
    lines = paragraph("Tolerated", width, style="bold") if items else []
    for item in items[: limits.items]:
        lines += paragraph(f"{item.what}: {item.why}", width, first=("  ", ""))
        lines += connection_lines(_scoped_ports(item.connections), summary, width, limits)
        if not item.connections:
            lines.append(styled_line(("    no connection is open because of it now", "dim")))
    return lines + more(len(items) - limits.items, "toleration")


def connection_lines(ends: Iterable[ScopedPort], summary: Summary, width: int, limits: Limits) -> list[Text]:
    """Return connections, one line for the sources that share their ports."""
    groups = group_by_ports(ends, summary.ports)
    lines = []
    for sources, ports in groups[: limits.texts]:
        lines += paragraph(f"{sources} -> {ports}", width, first=("    ", ""), style="dim")
    return lines + more(len(groups) - limits.texts, "source", indent="    ")
