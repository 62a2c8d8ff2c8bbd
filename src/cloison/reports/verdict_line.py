"""The verdict of a proof or a plan in one line: its word, the project, and the counts of connections.

Input: a document. Output: a line of text, or its parts with their style.
Rule: the word is that of the document; with `strict` a tolerated flow makes it a breach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloison.plan.schema import Plan
from cloison.proof.schema import Proof
from cloison.verdict.judge import Judgement
from cloison_view.labels import counted
from cloison_view.summary import count_connections

BREACHED: Final = "breached"
VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "proven": ("PROVEN", "bold green"),
    "sound": ("SOUND", "bold green"),
    "drawn": ("AS DRAWN", "bold"),
    BREACHED: ("BREACHED", "bold red"),
    "unproven": ("NOT PROVEN", "bold yellow"),
    "undecided": ("UNDECIDED", "bold yellow"),
}
"""The word of a report, and its style, by the word of the document."""
STRICT: Final = "With --strict, a tolerated flow counts as a breach."


def verdict_line(document: Proof | Plan, *, strict: bool) -> str:
    """Return the line without a style."""
    return f"{verdict_mark(document, strict=strict)[0]}{last_words(document, count_connections(document))}"


def verdict_mark(document: Proof | Plan, *, strict: bool) -> tuple[str, str]:
    """Return the word of the verdict with the space behind it, and its style."""
    word, style = VERDICTS[BREACHED if exceeds_strict(document, strict=strict) else document.verdict.word]
    return f"{word}  ", style


def strict_note(document: Proof | Plan, *, strict: bool) -> str:
    """Return why the word differs from that of the document; empty where it does not."""
    return STRICT if exceeds_strict(document, strict=strict) and document.verdict.word != BREACHED else ""


def exceeds_strict(document: Proof | Plan, *, strict: bool) -> bool:
    """Whether a tolerated flow counts as a breach, and there is one."""
    return strict and document.totals.get(Judgement.TOLERATED, 0) > 0


def last_words(document: Proof | Plan, connection_counts: Mapping[str, int]) -> str:
    """Return the project and its counts."""
    return f"{document.project.name}: {counted(connection_counts, 'connection')}"
