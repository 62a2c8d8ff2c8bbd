"""Labels and sentences for the verdicts and judgements of a proof, as tables."""

from collections.abc import Mapping
from typing import Final

PROVEN: Final = "proven"
BREACHED: Final = "breached"
UNPROVEN: Final = "unproven"
NONE: Final = "none"

VERDICT_SENTENCES: Final[Mapping[str, str]] = {
    PROVEN: "Every flow was probed, and each is open or closed as the policy says.",
    BREACHED: "A flow is open that should be closed, or closed that is needed.",
    UNPROVEN: "Some flows could not be observed, so the isolation is not proven.",
    NONE: "There is no proof yet.",
}
URGENCY: Final[Mapping[str, int]] = {BREACHED: 0, UNPROVEN: 1, NONE: 2, PROVEN: 3}
# The most urgent first.
JUDGEMENTS: Final = ("breach", "broken", "unknown", "drift", "tolerated", "unjudged", "holds")
JUDGEMENT_LABELS: Final[Mapping[str, str]] = {
    "breach": "breached",
    "broken": "broken",
    "unknown": "unknown",
    "drift": "other than predicted",
    "tolerated": "tolerated",
    "unjudged": "not judged",
    "holds": "hold",
}


def sentence(word: str) -> str:
    """Return the sentence for a verdict."""
    return VERDICT_SENTENCES.get(word, VERDICT_SENTENCES[UNPROVEN])


def counts(totals: Mapping[str, int]) -> tuple[tuple[str, int, str], ...]:
    """Return judgement, number of flows and label, the most urgent first, without judgements of no flow."""
    return tuple((name, totals[name], JUDGEMENT_LABELS[name]) for name in JUDGEMENTS if totals.get(name))


def port(number: int) -> str:
    """Return the label of a port; 0, the port of a canary, stands for any other port."""
    return str(number) if number else "any other port"


def verdict_counts(words: tuple[str, ...]) -> str:
    """Return the number of proofs with each verdict: `28 proven, 2 breached`."""
    return ", ".join(
        f"{words.count(word)} {word}" for word in dict.fromkeys((PROVEN, BREACHED, UNPROVEN, *words)) if word in words
    )
