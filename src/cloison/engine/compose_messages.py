"""Reads what Docker Compose prints on stderr: its warnings, and the reason of an error.

Input: the text of stderr. Output: sentences for a user. Nothing here decides a verdict.
Rule: Compose begins an error with the reason and may quote a whole value of the file after it, so the first line
counts, and a following one only if it continues the sentence.
Source: logrus' text format, https://pkg.go.dev/github.com/sirupsen/logrus#TextFormatter
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

LOG_LINE: Final = re.compile(r'time="[^"]*" level=(?P<level>\w+) msg=(?P<text>"(?:[^"\\]|\\.)*"|\S*)')
PLAIN_WARNING: Final = re.compile(r"WARN\[\d+\] (?P<text>.*)")
"""A warning on a terminal, and of older versions."""
ESCAPED: Final = re.compile(r"\\(.)")
MAX_LINES: Final = 4
"""Lines of an error that are shown at most."""
MAX_LENGTH: Final = 500
"""Characters of an error that are shown at most."""


def warnings(text: str) -> list[str]:
    """Return the warnings in the order in which Compose printed them, each once."""
    found = (_warning(line) for line in text.splitlines())
    return list(dict.fromkeys(sentence for sentence in found if sentence))


def reason(text: str) -> str:
    """Return the reason of an error, empty if there is none."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not _is_log_line(line)]
    shown = " ".join(line.strip() for line in lines[: _sentence_length(lines)])
    return shown if len(shown) <= MAX_LENGTH else f"{shown[:MAX_LENGTH]}…"


def _sentence_length(lines: Sequence[str]) -> int:
    """Return how many lines the sentence at the beginning has."""
    count = 1
    while count < min(len(lines), MAX_LINES) and _continues(lines[count - 1], lines[count]):
        count += 1
    return count


def _continues(before: str, line: str) -> bool:
    """Whether a line continues the one before: after a colon, by an indentation, or as a further whole sentence."""
    return before.endswith(":") or line.startswith((" ", "\t")) or (before.endswith(".") and line.endswith("."))


def _is_log_line(line: str) -> bool:
    return bool(LOG_LINE.match(line) or PLAIN_WARNING.match(line))


def _warning(line: str) -> str:
    if plain := PLAIN_WARNING.match(line):
        return plain["text"].strip()
    found = LOG_LINE.match(line)
    if found is None or found["level"] != "warning":
        return ""
    quoted = found["text"]
    return ESCAPED.sub(r"\1", quoted[1:-1]) if quoted.startswith('"') else quoted
