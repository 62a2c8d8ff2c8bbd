"""Texts that a report or an error shortens.

Input: names, or the output of another program. Output: one line for a person.
Rule: a line has no character that a terminal interprets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_LINE_LENGTH: Final = 300


def listed(words: Iterable[str], most: int, rest: str = "more") -> str:
    """Return the words with commas, after `most` of them the number of the others, like `a, b and 4 more`.

    One word more than `most` is named, too, because its number is not shorter.
    """
    known = list(words)
    if len(known) <= most + 1:
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most} {rest}"


def joined(words: Iterable[str]) -> str:
    """Return words as part of a sentence, like `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def printable_line(text: str, most: int = MAX_LINE_LENGTH) -> str:
    """Return a text on one line of at most `most` characters and an ellipsis, without unprintable characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[:most]}…"
