"""The code blocks of README.md, in their order below each heading; what stands before the first heading has none."""

from __future__ import annotations

import re
from typing import Final

from tests.e2e.distribution.builds import ROOT

INTRODUCTION: Final = ""
PEOPLE: Final = "Three people"
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of a language below a heading of the second level."""
    first, *rest = re.split(r"^## (.*)\n", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = {INTRODUCTION: first, **dict(zip(rest[::2], rest[1::2], strict=True))}
    return [body for name, body in BLOCK.findall(sections[heading]) if name == language]


def lines(block: str) -> list[str]:
    """Return the command lines of a block."""
    return [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
