"""The words of a proof on the pages, as tables.

Rule: the words of the judgements are those of `cloison_view.labels`, as in the reports of the command.
"""

from collections.abc import Mapping
from typing import Final

from cloison_view.labels import COUNTED

PROVEN: Final = "proven"
DRAWN: Final = "drawn"
BREACHED: Final = "breached"
UNPROVEN: Final = "unproven"
NONE: Final = "none"

VERDICT_SENTENCES: Final[Mapping[str, str]] = {
    PROVEN: "Every connection is open or closed as the file intends.",
    DRAWN: "The file has no policy. Every connection is open or closed as the file draws it.",
    BREACHED: "A connection is open that must be closed, or closed that is needed.",
    UNPROVEN: "Some connections could not be observed; whether they are isolated is unknown.",
    NONE: "No proof has been received.",
}
SHOWN_WORDS: Final[Mapping[str, str]] = {DRAWN: "as drawn"}
"""The words that differ from those of the document."""
GROUP_WORDS: Final[Mapping[str, str]] = {"overdue": "No recent proof", NONE: "No proof yet"}


def verdict_word(word: str) -> str:
    """Return the word of a verdict for people: `as drawn` for `drawn`, which is not a proof."""
    return SHOWN_WORDS.get(word, word)


def group_word(group: str) -> str:
    """Return the words of a group of the list of projects."""
    return GROUP_WORDS.get(group) or verdict_word(group).capitalize()


def sentence(word: str) -> str:
    """Return the meaning of a verdict in a sentence."""
    return VERDICT_SENTENCES.get(word, VERDICT_SENTENCES[UNPROVEN])


def counts(totals: Mapping[str, int]) -> tuple[tuple[str, int, str], ...]:
    """Return each judgement with its number and its word, the worst first, without those that are zero."""
    return tuple((name, totals[name], word) for name, word in COUNTED.items() if totals.get(name))


def port(number: int) -> str:
    """Return the text of a port; 0 is the port of a canary and stands for any other port."""
    return str(number) if number else "any other port"


def verdict_counts(words: tuple[str, ...]) -> str:
    """Return the number of proofs with each verdict: `28 proven, 2 breached`."""
    return ", ".join(
        f"{words.count(word)} {verdict_word(word)}"
        for word in dict.fromkeys((PROVEN, DRAWN, BREACHED, UNPROVEN, *words))
        if word in words
    )
