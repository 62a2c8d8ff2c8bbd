"""What the words of a proof mean to who reads them, as tables."""

from collections.abc import Mapping
from typing import Final

PROVEN: Final = "proven"
BREACHED: Final = "breached"
UNPROVEN: Final = "unproven"
NONE: Final = "none"

VERDICT_SENTENCES: Final[Mapping[str, str]] = {
    PROVEN: "Every wall was tried from both sides, and holds as the file says.",
    BREACHED: "Something is open that is meant to be shut, or shut that is needed.",
    UNPROVEN: "Not everything could be looked at, so nothing is promised.",
    NONE: "Nothing was proven yet.",
}
URGENCY: Final[Mapping[str, int]] = {BREACHED: 0, UNPROVEN: 1, NONE: 2, PROVEN: 3}
# In the order in which a person wants to know: what has to be done first.
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
    """Return what a verdict says."""
    return VERDICT_SENTENCES.get(word, VERDICT_SENTENCES[UNPROVEN])


def counts(totals: Mapping[str, int]) -> tuple[tuple[str, int, str], ...]:
    """Return judgement, how many flows have it and how that reads, the worst first, without what is none."""
    return tuple((name, totals[name], JUDGEMENT_LABELS[name]) for name in JUDGEMENTS if totals.get(name))


def port(number: int) -> str:
    """Return a port as people read it; a canary's stands for any other."""
    return str(number) if number else "any other port"


def verdict_counts(words: tuple[str, ...]) -> str:
    """Return how often each verdict occurs: `28 proven, 2 breached`."""
    return ", ".join(
        f"{words.count(word)} {word}" for word in dict.fromkeys((PROVEN, BREACHED, UNPROVEN, *words)) if word in words
    )
