"""Parts that reports for a terminal share: the matrix, what to act on, what is tolerated.

Rule: a part is given what it shows and how it is worded; it does not know whether that was seen or predicted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.text import Text

from cloison.reports.action_items import Accepted, Finding, Passage
from cloison.reports.matrix import EVERY, FEW, Matrix, Passable, arrows
from cloison.reports.symbols import FACES, legend
from cloison.reports.table_layout import grid
from cloison.reports.text import paragraph, said
from cloison.reports.topology import called
from cloison.verdict.judge import Judgement

Entries = Mapping[Judgement, tuple[str, str, str]]
"""How a finding begins: its label, and the sentence of a passage from one source, and from several."""
COUNTED: Final = {
    Judgement.BREACH: ("breach", "breaches"),
    Judgement.BROKEN: ("broken door", "broken doors"),
    Judgement.UNKNOWN: ("unknown door", "unknown doors"),
    Judgement.TOLERATED: ("tolerated door", "tolerated doors"),
}


def spaced(parts: Iterable[Sequence[Text]]) -> Iterator[Text]:
    """Put an empty line between the parts that say something."""
    for i, part in enumerate(filter(None, parts)):
        if i:
            yield Text("")
        yield from part


def picture(found: Matrix, width: int) -> list[Text]:
    """Return the matrix with its legend."""
    if not found.sources:
        return []
    marks = [said((item.symbol, item.style), (f" {item.meaning}", "dim")) for item in legend(found.cells.values())]
    marks.append(said((EVERY, "bold"), (" any other port", "dim")))
    return [*grid(found, width), Text(""), *_filled(marks, width)]


def _filled(marks: Sequence[Text], width: int) -> list[Text]:
    """Fill lines with marks; one is never broken."""
    rows: list[Text] = []
    for mark in marks:
        if rows and len(rows[-1]) + len(mark) + 3 <= width:
            rows[-1] = said(("   ", "")).join([rows[-1], mark])
        else:
            rows.append(mark)
    return rows


def to_act_on(items: Sequence[Finding], found: Matrix, width: int, entries: Entries) -> list[Text]:
    """Return the findings; `entries` says how one begins."""
    if not items:
        return []
    counts = Counter(dict.fromkeys(COUNTED, 0))
    for item in items:
        counts[item.word] += len({end for passage in item.passages for end in passage.ends})
    said_of = [f"{n} {COUNTED[word][n > 1]}" for word, n in counts.items() if n]
    lines = paragraph(f"To act on: {', '.join(said_of)}", width, style="bold")
    for item in items:
        lines += [Text(""), *_finding(item, found, width, entries)]
    return lines + _how_to_keep(items, width)


def _finding(item: Finding, found: Matrix, width: int, entries: Entries) -> list[Text]:
    lines = _passages(item, found, width, entries)
    for reason in item.reasons[:FEW]:
        lines += paragraph(reason, width, first=("    why  ", "dim"))
    if len(item.reasons) > FEW:
        lines.append(said((f"         and {many(len(item.reasons) - FEW, 'reason')} of the same kind", "")))
    lines += paragraph(item.advice.sentence, width, first=("    do   ", "dim"))
    lines += [said(("         $ ", "dim"), (command, "cyan")) for command in item.advice.commands]
    return lines + [
        said(("         " if i else "    or   ", "dim"), (f"- {line}", "cyan"))
        for i, line in enumerate(_policy_lines(item))
    ]


def _passages(item: Finding, found: Matrix, width: int, entries: Entries) -> list[Text]:
    label, from_one, from_many = entries[item.word]
    mark = f"  {label} ({item.cause})  " if item.cause else f"  {label}  ", FACES[item.word][0].style
    if item.word is Judgement.UNKNOWN:
        texts = [f"{sources} -> {doors}" for sources, doors in arrows(_ends(item.passages), found)]
    else:
        texts = [
            (from_many if len(names) > 1 else from_one).format(source=", ".join(names), door=door, where=where)
            for (door, where), names in _sharing(item.passages).items()
        ]
    return [line for text in texts for line in paragraph(text, width, first=mark)]


def _sharing(passages: Iterable[Passage]) -> dict[tuple[str, str], list[str]]:
    """Return the sources of each door and the addresses at which it was tried."""
    sources: dict[tuple[str, str], list[str]] = {}
    for passage in passages:
        sources.setdefault((passage.label, passage.where), []).append(called(passage.source))
    return sources


def _policy_lines(item: Finding) -> list[str]:
    """Return the lines of policy that would settle a finding; one without a port covers those with one."""
    if not item.advice.policy:
        return []
    lines = list(dict.fromkeys(line for passage in item.passages for line in passage.lines))
    return [line for line in lines if ":" not in line or line.rpartition(":")[0] not in lines]


def _ends(passages: Iterable[Passage]) -> list[Passable]:
    return [end for passage in passages for end in passage.ends]


def _how_to_keep(items: Sequence[Finding], width: int) -> list[Text]:
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
        said((f"    - flow: {wanted[0]}", "cyan")),
        said(("      why: the next reader must be able to judge it", "cyan")),
    ]


def tolerated(items: Sequence[Accepted], found: Matrix, width: int) -> list[Text]:
    """Return the tolerations with what they cover."""
    lines = paragraph("Tolerated", width, style="bold") if items else []
    for item in items:
        lines += paragraph(f"{item.what}: {item.why}", width, first=("  ", ""))
        lines += covered(_ends(item.passages), found, width)
        if not item.passages:
            lines.append(said(("    nothing is open because of it now", "dim")))
    return lines


def covered(ends: Iterable[Passable], found: Matrix, width: int) -> list[Text]:
    """Sum passages up, one line for the sources that share their doors."""
    lines = []
    for sources, doors in arrows(ends, found):
        lines += paragraph(f"{sources} -> {doors}", width, first=("    ", ""), style="dim")
    return lines


def many(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
