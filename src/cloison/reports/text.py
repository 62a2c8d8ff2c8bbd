"""Lines of styled text, and their rendering as a string.

Input: text with styles. Output: a string, with the 16 ANSI colours or with none.
Rule: nothing here reads the environment, so the same lines give the same bytes. Every text of the document passes
`escape_control_chars`, so it cannot move the cursor of a terminal.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable
from io import StringIO
from typing import Final

from rich.console import Console
from rich.text import Text

CONTROL_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that control a terminal or the order of text."""


def escape_control_chars(text: str) -> str:
    """Return a text with its control characters as escape sequences."""
    if text.isprintable():  # no character of these categories is
        return text
    return "".join(_escape_char(char) if unicodedata.category(char) in CONTROL_CATEGORIES else char for char in text)


def _escape_char(char: str) -> str:
    return char.encode("unicode_escape").decode()


def styled_line(*parts: tuple[str, str]) -> Text:
    """Return a line of parts, each a text and a style."""
    return Text("").join(Text(escape_control_chars(text), style) for text, style in parts)


def paragraph(text: str, width: int, *, first: tuple[str, str] = ("", ""), style: str = "") -> list[Text]:
    """Return a text as lines of at most `width` columns, indented under its `first` mark; a long word stays whole."""
    available_width = max(width - len(first[0]), 1)
    rows = textwrap.wrap(
        escape_control_chars(" ".join(text.split())), available_width, break_long_words=False, break_on_hyphens=False
    ) or [""]
    margin = " " * len(first[0])
    return [styled_line(first if i == 0 else (margin, ""), (row, style)) for i, row in enumerate(rows)]


def render_lines(lines: Iterable[Text], *, color: bool, width: int) -> str:
    """Return the lines as a string, with the 16 ANSI colours or with none."""
    console = Console(
        file=StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        force_jupyter=False,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as capture:
        for line in lines:
            line.rstrip()
            console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)
    return capture.get()
