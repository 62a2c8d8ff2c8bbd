"""The Markdown report of a diff, for a comment on a pull request: a table of what is worse, the rest folded.

Input: a diff. Output: GitHub Flavored Markdown of a limited size: see `reports.markdown`.
Rule: every text of the document is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from cloison.diff.schema import Diff
from cloison.reports.diff_lines import DiffLine, counts, headline, lines, losses, subject
from cloison.reports.markdown import MAX_ROWS, Section, fitted
from cloison.reports.markdown_text import code, sentence
from cloison_view.labels import pluralize

MARKS: Final = {"WORSE": "❌", "CHANGED": "✅", "THE SAME": "✅"}


def render(diff: Diff) -> str:
    """Return the report."""
    word, found = headline(diff), list(lines(diff))
    worse = [line for line in found if line.worse]
    head = [f"### {MARKS[word]} {word} · {sentence(subject(diff))}", "", sentence(counts(diff))]
    head += [line for text in losses(diff) for line in ("", f"**Worse:** {sentence(text)}")]
    if worse:
        head += ["", *_table(worse)]
    end = f"<sub>{diff.kind} sha256:{diff.old.digest} → sha256:{diff.new.digest}</sub>"
    return fitted(head, _sections(found), end)


def _table(worse: list[DiffLine]) -> Iterator[str]:
    yield "| worse | was and is | why |"
    yield "|---|---|---|"
    for line in worse[:MAX_ROWS]:
        yield f"| {code(line.flow + line.where)} | {sentence(line.transition)} | {sentence(line.reason)} |"
    if len(worse) > MAX_ROWS:
        yield f"| and {pluralize(len(worse) - MAX_ROWS, 'more worse change')} | | |"


def _sections(found: list[DiffLine]) -> Iterator[Section]:
    for title, group in groupby(sorted(found, key=lambda line: (not line.worse, line.title)), key=_section_title):
        blocks = tuple((f"- {code(line.flow + line.where)}: {sentence(line.transition)}",) for line in group)
        yield Section(f"{title} ({len(blocks)})", blocks)


def _section_title(line: DiffLine) -> str:
    return "Worse, in full" if line.worse else line.title.capitalize()
