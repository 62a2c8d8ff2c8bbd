"""The Markdown report, for a comment on a pull request: the verdict, a table by cause, and folded details.

Input: a `Content`. Output: GitHub Flavored Markdown of at most `MAX_BYTES`.
Rule: the verdict and the table always fit; details that do not are counted in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from cloison.plan.schema import Plan
from cloison.reports.content import Content
from cloison.reports.markdown_text import code, fenced, sentence
from cloison.verdict.judge import Judgement
from cloison_view.action_items import ReportedConnection, tolerations
from cloison_view.alike import fold
from cloison_view.cause_groups import ActionGroup, action_groups
from cloison_view.labels import ACTIONABLE, counted, display_name, pluralize, to_act_on

MAX_BYTES: Final = 65_536
"""GitHub takes comments of at most 65,536 characters; UTF-8 has no fewer bytes than characters."""
RESERVE: Final = 1_000
"""Bytes that are kept for the end of the report."""
MAX_ROWS: Final = 25
"""Rows of the table; entries after them are only in the details."""
MAX_TABLE_BYTES: Final = 40_000
"""Bytes of the rows of the table, so that it fits whatever the names are."""
MAX_NAMED: Final = 3
"""Connections that a row names."""
TABLE_HEAD: Final = ("", "connections", "why", "what to do")
LEFT_OUT: Final = "the comment has a limit, and <code>--format json</code> has all."
MAX_CELL: Final = 400
"""Characters of a text in a cell."""
MARKS: Final = {0: "✅", 1: "❌", 3: "❔"}
"""The mark before the verdict, by the exit code."""


@dataclass(frozen=True, slots=True)
class Section:
    """A folded section: its title, and its lines in blocks that are shown whole or not at all."""

    title: str
    blocks: tuple[tuple[str, ...], ...]


def render(content: Content) -> str:
    """Return the report."""
    summary = fold(content.summary)
    groups = action_groups(summary, content.advise(summary), strict=content.strict)
    judgements = (*ACTIONABLE, Judgement.TOLERATED) if content.strict else ACTIONABLE
    head = [
        f"### {MARKS[content.exit_code]} {content.headline} · {code(cut(content.project))}",
        "",
        f"{counted(summary.connection_counts, 'connection')} · {sentence(cut(content.engine))}",
    ]
    if content.strict_note:
        head += ["", content.strict_note]
    if content.document.policy is None:
        head += ["", "The file has no policy (<code>x-cloison</code>), so nothing is proven of it."]
    if groups:
        head += [
            "",
            f"**{to_act_on(summary.counts_of(*judgements))}**",
            "",
            *table(TABLE_HEAD, map(_row, groups), len(groups)),
        ]
    end = f"<sub>{content.kind} sha256:{content.digest}</sub>"
    return fitted(head, _sections(content, groups), end)


def fitted(head: Sequence[str], sections: Iterable[Section], end: str) -> str:
    """Return head, folded sections and end in at most `MAX_BYTES`; what does not fit is counted."""
    lines, left = [*head], MAX_BYTES - RESERVE - _size([*head, end])
    for section in sections:
        frame = ["", "<details>", f"<summary>{section.title}</summary>", "", "", "</details>", *_left_out(1)]
        if _size([*frame, *section.blocks[0]]) > left:
            lines += ["", f"More details are left out: {LEFT_OUT}"]
            break
        shown: list[str] = []
        left -= _size(frame)
        count = 0
        for block in section.blocks:
            if _size(block) > left:
                break
            shown, left, count = [*shown, *block], left - _size(block), count + 1
        lines += [*frame[:4], *shown, *_left_out(len(section.blocks) - count), "", "</details>"]
    return "\n".join([*lines, "", end, ""])


def _left_out(number: int) -> list[str]:
    return ["", f"{pluralize(number, 'entry', 'entries')} left out: {LEFT_OUT}"] if number else []


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def table(head: Sequence[str], rows: Iterable[str], number: int) -> Iterator[str]:
    """Yield the lines of a table, with a row that counts those that it leaves out; `number` is that of all rows."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    left, shown = MAX_TABLE_BYTES, 0
    for row in islice(rows, MAX_ROWS):
        left -= _size([row])
        if left < 0:
            break
        shown += 1
        yield row
    if number > shown:
        yield f"| and {pluralize(number - shown, 'more entry', 'more entries')} {'| ' * len(head)}".rstrip()


def _row(group: ActionGroup) -> str:
    number = len(group.connections)
    named = [_connection(found) for found in group.connections[:MAX_NAMED]]
    more = [f"and {number - MAX_NAMED:,} more"] if number > MAX_NAMED else []
    others = len(group.advices) - 1
    advice = cut(group.advices[0].sentence) + (f" (and {pluralize(others, 'more change')})" if others else "")
    reason = sentence(cut(group.reasons[0]))
    return f"| {_label(group)} | {'<br>'.join([*named, *more])} | {reason} | {sentence(advice)} |"


def _label(group: ActionGroup) -> str:
    """Return the judgement and the cause; a network's name is the file's, so it is escaped."""
    cause = "drift" if group.cause == "drift" else group.cause_words
    return f"{group.judgement}: {sentence(cut(cause))}" if cause else group.judgement


def _connection(found: ReportedConnection, where: str = "") -> str:
    return code(cut(f"{display_name(found.source)} → {found.label}{where}"))


def cut(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}…"


def _sections(content: Content, groups: Sequence[ActionGroup]) -> Iterator[Section]:
    summary = fold(content.summary)
    if groups:
        yield Section("What to act on, in full", tuple(_group_block(group) for group in groups))
    tolerated = [] if content.strict else tolerations(summary)
    if tolerated:
        blocks = tuple(
            (f"- {code(part.what)}: {sentence(part.why)}", *(f"  - {_connection(c)}" for c in part.connections))
            for part in tolerated
        )
        yield Section(f"Tolerated ({len(tolerated)})", blocks)
    if notes := [*_findings(content)]:
        title = "In the file" if content.is_plan else "Security risks (they do not change the verdict)"
        yield Section(f"{title} ({len(notes)})", tuple((note,) for note in notes))
    if isinstance(content.document, Plan) and content.document.proposal:
        yield Section("Proposed networks", (tuple(fenced(content.document.proposal.yaml, "yaml")),))
    if gaps := content.gaps:
        yield Section(f"Not covered ({len(gaps)})", tuple((f"- {code(what)}: {sentence(why)}",) for what, why in gaps))


def _group_block(group: ActionGroup) -> tuple[str, ...]:
    lines = [f"- **{_label(group)}**", *(f"  - {_connection(found, found.where)}" for found in group.connections)]
    lines += [f"  - why: {sentence(cut(reason))}" for reason in group.reasons]
    for advice in group.advices:
        lines.append(f"  - do: {sentence(advice.sentence)}")
        lines += [f"    - {code(command)}" for command in advice.commands]
    return tuple(lines)


def _findings(content: Content) -> Iterator[str]:
    if isinstance(content.document, Plan):
        for found in content.document.remarks:
            yield f"- {code(found.where)}: {sentence(found.says)}"
        return
    for risk in content.document.findings:
        yield f"- {code(risk.where)}: {sentence(risk.sentence)} ({sentence(risk.what)})"
