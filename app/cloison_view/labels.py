"""Names the places, words and counts of a document in the reports and pages.

Input: names and words of a document. Output: text for people.
Rule: every name is untrusted. A character that is invisible or that changes the reading order is shown as a replacement
character; the template escapes the rest. A count is always printed with its unit.
Source: https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

HOST: Final = "host"
OUTSIDE: Final = "outside"
FOREIGN_PREFIX: Final = "stranger:"
ANY_OTHER_PORT: Final = "*"
"""Any other port."""
ACTIONABLE: Final = ("breach", "broken", "unknown")
"""The judgements that need action, the worst first."""
NOTHING: Final = {
    "proven": "Nothing to act on.",
    "drawn": "No isolation that the file declares is open.",
}
"""The sentence in place of the action items, by the verdict."""
NOTHING_JUDGED: Final = "No flow was judged; see the coverage."
MAX_NAMED: Final = 3
"""A list names this many; the rest is counted."""
COUNTED: Final = {
    "breach": "breach",
    "broken": "broken",
    "unknown": "unknown",
    "tolerated": "tolerated",
    "unjudged": "not judged",
    "holds": "hold",
    "drift": "not as predicted",
}
"""A judgement after a number, the worst first. `drift` is counted beside the judgements."""

SYMBOLS: Final = {
    "open": "●",
    "shut": "○",
    "unknown": "?",
    "tolerated": "◐",
    "optional": "◌",
    "unjudged": "-",
    "undecided": "?",
}
"""The symbol of an intended, predicted or observed value in a cell. The shapes differ, so it reads without colour."""
VALUE_WORDS: Final = {"shut": "closed"}
"""The word for an intended, predicted or observed value, where it is not the value itself."""

INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of characters that are invisible or that act on other characters."""
DIGITS: Final = re.compile(r"([0-9]{1,9})")
PRINTABLE_ASCII: Final = re.compile(r"[\x20-\x7e]*")
WIDE: Final = frozenset("WF")
IDEOGRAPHIC: Final = 0x3000
"""The first code point from which a monospaced font may draw two columns."""


def shown(text: str) -> str:
    """Return a text with every invisible character replaced by a visible one."""
    if PRINTABLE_ASCII.fullmatch(text):
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in INVISIBLE_CATEGORIES else c for c in text)


def text_columns(text: str) -> int:
    """Return how many columns of a monospaced font a text takes at most."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in WIDE or ord(c) >= IDEOGRAPHIC else 1 for c in text)


def truncate(text: str, most: int) -> str:
    """Return a text of at most `most` columns; a text that is cut ends in an ellipsis."""
    clean = shown(text)
    if text_columns(clean) <= most:
        return clean
    kept = clean
    while text_columns(kept) > most - 1:
        kept = kept[:-1]
    return kept + "…"


def value_word(value: str) -> str:
    """Return the word for an intended, predicted or observed value of a document."""
    return VALUE_WORDS.get(value, value)


def display_name(place: str) -> str:
    """Return the name of a place: for a foreign container, the name of its container."""
    return place.removeprefix(FOREIGN_PREFIX)


def sort_places(places: Iterable[str]) -> list[str]:
    """Sort places for the eye: services, foreign containers, the host, the outside."""
    return sorted(set(places), key=lambda name: (_rank(name), natural_key(name)))


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts names by the numbers in them: web2 before web10."""
    parts = DIGITS.split(name)
    return tuple((int(part) if part.isdecimal() and part.isascii() else 0, part) for part in parts)


def _rank(place: str) -> int:
    return {HOST: 2, OUTSIDE: 3}.get(place, int(place.startswith(FOREIGN_PREFIX)))


def join_names(names: Sequence[str], most: int = MAX_NAMED) -> str:
    """Return a list of names in words. One more than `most` is named too, because counting it is not shorter."""
    if len(names) <= most + 1:
        return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def pluralize(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def counted(counts: Mapping[str, int], unit: str) -> str:
    """Return counts by judgement with their sum and unit: `8 connections: 6 breach, 2 hold`.

    A count of `drift` is not part of the sum and comes last.
    """
    parts = ", ".join(f"{number:,} {COUNTED[name]}" for name in COUNTED if (number := counts.get(name, 0)))
    return total(counts, unit) + (f": {parts}" if parts else "")


def total(counts: Mapping[str, int], unit: str) -> str:
    """Return the sum of the counts of all judgements with its unit; `drift` is counted beside them."""
    return pluralize(sum(number for name, number in counts.items() if name != "drift"), unit)


def to_act_on(counts: Mapping[str, int]) -> str:
    """Return the heading of the action items: `To act on: 8 connections (6 breach, 2 broken)`.

    `counts` are those of the connections that need action; the heading has no number where there are none.
    """
    number, _, parts = counted(counts, "connection").partition(": ")
    return f"To act on: {number} ({parts})" if parts else "To act on"


def intention_words(text: str, *, has_policy: bool) -> str:
    """Return a text about an intention; without a policy nothing is intended, and the file only draws it."""
    if has_policy:
        return text
    return text.replace("as intended", "as drawn").replace("intended to be", "drawn")


def nothing_to_act_on(verdict: str) -> str:
    """Return the sentence in place of the action items."""
    return NOTHING.get(verdict, NOTHING_JUDGED)


def network_label(part: dict[str, Any] | None, name: str) -> str:
    """Return the file's name of a network where it has one."""
    return (part or {}).get("key") or name
