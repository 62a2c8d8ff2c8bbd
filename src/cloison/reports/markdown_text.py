"""Text that Markdown shows as it is: names and sentences of a document, escaped for GitHub and GitLab.

Input: untrusted text. Output: Markdown without structure, in one line.
Rules: a character that could begin structure is a numeric reference, which cannot
(https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references). A mention or an issue needs its sign and
the word in one text, so the sign stands in an element of its own. Invisible characters are replaced.
"""

from __future__ import annotations

import re
from typing import Final

from cloison_view.labels import shown

STRUCTURAL: Final = re.compile(r"""[^\w .:,;()'"/→…·-]|_|(?<!\w)-|:(?=/)|(?<=www)\.""", re.IGNORECASE)
"""Every sign but those of plain sentences; a hyphen only after a word, and no sign that makes a word an address."""
LINKING: Final = frozenset("@#!")
"""The signs that make a word a reference to a person, an issue or a merge request."""
FENCE: Final = re.compile(r"`{3,}")


def sentence(text: str) -> str:
    """Return a sentence in which no word is structure, a link or a mention; it must not begin a line."""
    clean = shown(" ".join(text.split()))
    return STRUCTURAL.sub(lambda found: _reference(found[0]), clean)


def code(text: str) -> str:
    """Return a name or a command as code."""
    return f"<code>{sentence(text)}</code>"


def fenced(text: str, language: str) -> list[str]:
    """Return the lines of a block of code, in a fence that is longer than any in the text."""
    clean = "\n".join(shown(line) for line in text.splitlines())
    longest = max(map(len, FENCE.findall(clean)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}{language}", *clean.splitlines(), fence]


def _reference(sign: str) -> str:
    escaped = f"&#{ord(sign)};"
    return f"<span>{escaped}</span>" if sign in LINKING else escaped
