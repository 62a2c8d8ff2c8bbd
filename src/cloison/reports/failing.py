"""What makes a command fail: its exit code, and whether a flow is a reason for it.

Input: a document, and the words of `--fail-on`. Output: an exit code, or a bool.
Rule: the verdict of a document does not depend on the words. A report for programs fails whenever the command does, so
both ask here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloison.errors import BREACHED, PROVEN, UNPROVEN
from cloison.verdict.judge import Judgement
from cloison_view.verdict import has_gaps

if TYPE_CHECKING:
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof

DRIFT: Final = "drift"
WORDS: Final = {
    Judgement.BREACH: "breach",
    Judgement.BROKEN: "breach",
    Judgement.TOLERATED: "tolerated",
    Judgement.UNKNOWN: "unknown",
}
"""The word of `--fail-on` for a judgement."""


def failing_words(fail_on: frozenset[str], *, strict: bool) -> frozenset[str]:
    """Return what fails: with `strict` also what is tolerated."""
    return fail_on | {"tolerated"} if strict else fail_on


def exit_code(document: Proof | Plan, words: frozenset[str]) -> int:
    """Return the exit code of the command: a failure wins over a gap."""
    totals = document.totals
    counted = [(word, totals.get(judgement, 0)) for judgement, word in WORDS.items() if word != "unknown"]
    if any(count for word, count in [*counted, (DRIFT, totals.get(DRIFT, 0))] if word in words):
        return BREACHED
    return UNPROVEN if "unknown" in words and has_gaps(document) else PROVEN


def fails(judgement: str, words: frozenset[str], *, drift: bool) -> bool:
    """Whether a flow with this judgement makes the command fail; `drift` is whether it is not as predicted."""
    return WORDS.get(Judgement(judgement), "") in words or (drift and DRIFT in words)
