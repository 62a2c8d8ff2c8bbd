"""Lines of styled text, and the one place where they become a string.

Rule: nothing here reads the environment, so the same lines give the same bytes. Every text of the
document passes `said`, which shows control characters instead of obeying them.
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
"""Unicode categories that a terminal acts upon: a container's name must not move the cursor."""


def escape_control_chars(text: str) -> str:
    """Return a text with its control characters spelled out."""
    return "".join(_escape_char(char) if unicodedata.category(char) in CONTROL_CATEGORIES else char for char in text)


def _escape_char(char: str) -> str:
    return char.encode("unicode_escape").decode()


def styled_line(*parts: tuple[str, str]) -> Text:
    """Return a line made of (text, style)."""
    return Text("").join(Text(escape_control_chars(text), style) for text, style in parts)


def paragraph(text: str, width: int, *, first: tuple[str, str] = ("", ""), style: str = "") -> list[Text]:
    """Break a text between words, hanging under its `first` mark; a word that is too long stays whole."""
    available_width = max(width - len(first[0]), 1)
    rows = textwrap.wrap(
        escape_control_chars(" ".join(text.split())), available_width, break_long_words=False, break_on_hyphens=False
    ) or [""]
    margin = " " * len(first[0])
    return [styled_line(first if i == 0 else (margin, ""), (row, style)) for i, row in enumerate(rows)]


def render_lines(lines: Iterable[Text], *, color: bool, width: int) -> str:
    """Return the lines as a string, with the 16 colours that every terminal has in its own palette, or with none."""
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
