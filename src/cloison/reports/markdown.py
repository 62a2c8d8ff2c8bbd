"""The Markdown report, for a comment on a pull request: the verdict, a table by cause, and folded details.

Input: a `Content`. Output: GitHub Flavored Markdown of at most `MAX_BYTES`.
Rule: the verdict and the table always fit; details that do not are counted in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.plan.schema import Plan
from cloison.reports.content import Content
from cloison.reports.markdown_text import code, fenced, sentence
from cloison.verdict.judge import Judgement
from cloison_view.action_items import ActionItem, ReportedConnection, action_items, tolerations
from cloison_view.alike import fold
from cloison_view.labels import ACTIONABLE, counted, display_name, pluralize, to_act_on

MAX_BYTES: Final = 65_536
"""GitHub takes comments of at most 65,536 characters; UTF-8 has no fewer bytes than characters."""
RESERVE: Final = 1_000
"""Bytes that are kept for the end of the report."""
MAX_ROWS: Final = 25
"""Rows of the table; entries after them are only in the details."""
MAX_NAMED: Final = 3
"""Connections that a row names."""
LEFT_OUT: Final = "the comment has a limit, and <code>--format json</code> has all."
MAX_CELL: Final = 400
"""Characters of a text in a cell."""
MARKS: Final = {0: "✅", 1: "❌", 3: "❔"}
"""The mark before the verdict, by the exit code."""
LABELS: Final = {
    "breach": "breach",
    "broken": "broken",
    "unknown": "unknown",
    "tolerated": "tolerated",
}
CAUSES: Final = {"file": " by the file", "drift": " by drift"}


@dataclass(frozen=True, slots=True)
class Section:
    """A folded section: its title, and its lines in blocks that are shown whole or not at all."""

    title: str
    blocks: tuple[tuple[str, ...], ...]


def render(content: Content) -> str:
    """Return the report."""
    summary = fold(content.summary)
    items = action_items(summary, strict=content.strict, advise=content.advise(summary))
    judgements = (*ACTIONABLE, Judgement.TOLERATED) if content.strict else ACTIONABLE
    head = [
        f"### {MARKS[content.exit_code]} {content.headline} · {code(content.project)}",
        "",
        f"{counted(summary.connection_counts, 'connection')} · {sentence(content.engine)}",
    ]
    if content.fails_only_strictly:
        head += ["", "With --strict, a tolerated flow counts as a breach."]
    if content.document.policy is None:
        head += ["", "The file has no policy (<code>x-cloison</code>), so nothing is proven of it."]
    if items:
        head += ["", f"**{to_act_on(summary.counts_of(*judgements))}**", "", *_table(items)]
    end = f"<sub>{content.kind} sha256:{content.digest}</sub>"
    return fitted(head, _sections(content, items), end)


def fitted(head: Sequence[str], sections: Iterable[Section], end: str) -> str:
    """Return head, folded sections and end in at most `MAX_BYTES`; what does not fit is counted."""
    lines, left = [*head], MAX_BYTES - RESERVE - _size([*head, end])
    for section in sections:
        frame = ["", "<details>", f"<summary>{section.title}</summary>", "", "", "</details>", *_left_out(1)]
        if _size([*frame, *section.blocks[0]]) > left:
            lines += ["", f"The details are left out: {LEFT_OUT}"]
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


def _table(items: Sequence[ActionItem]) -> Iterator[str]:
    yield "| | connections | why | what to do |"
    yield "|---|---|---|---|"
    for item in items[:MAX_ROWS]:
        number = len(item.connections)
        named = [_connection(found) for found in item.connections[:MAX_NAMED]]
        more = [f"and {number - MAX_NAMED:,} more"] if number > MAX_NAMED else []
        reason, advice = (_cut(text) for text in (item.reasons[0], item.advice.sentence))
        yield f"| {_label(item)} | {'<br>'.join([*named, *more])} | {sentence(reason)} | {sentence(advice)} |"
    if len(items) > MAX_ROWS:
        yield f"| | and {pluralize(len(items) - MAX_ROWS, 'more entry', 'more entries')} | | |"


def _label(item: ActionItem) -> str:
    return LABELS[item.judgement] + CAUSES.get(item.cause, "")


def _connection(found: ReportedConnection, where: str = "") -> str:
    return code(_cut(f"{display_name(found.source)} → {found.label}{where}"))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}…"


def _sections(content: Content, items: Sequence[ActionItem]) -> Iterator[Section]:
    summary = fold(content.summary)
    if items:
        yield Section("What to act on, in full", tuple(_item_block(item) for item in items))
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


def _item_block(item: ActionItem) -> tuple[str, ...]:
    lines = [f"- **{_label(item)}**", *(f"  - {_connection(found, found.where)}" for found in item.connections)]
    lines += [f"  - why: {sentence(_cut(reason))}" for reason in item.reasons]
    lines.append(f"  - do: {sentence(item.advice.sentence)}")
    lines += [f"    - {code(command)}" for command in item.advice.commands]
    return tuple(lines)


def _findings(content: Content) -> Iterator[str]:
    if isinstance(content.document, Plan):
        for found in content.document.remarks:
            yield f"- {code(found.where)}: {sentence(found.says)}"
        return
    for risk in content.document.findings:
        yield f"- {code(risk.where)}: {sentence(risk.sentence)} ({sentence(risk.what)})"
