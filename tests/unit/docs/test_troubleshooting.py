"""Every sentence of docs/troubleshooting.md is one of the program's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from tests.unit.docs.page_examples import text

SOURCE: Final = Path(__file__).parents[3] / "src" / "cloison"
PAGE: Final = text("troubleshooting.md")
SENTENCES: Final = re.findall(r"^### `([^`]+(?:``[^`]+)*)`$", PAGE, re.MULTILINE)
ANYTHING: Final = "…"


def in_source(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module; a value that is put into a text is `…`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else ANYTHING for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def texts() -> str:
    """Return every text of the program without its back quotes, one a line."""
    modules = (path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py")))
    found = (" ".join(line.split()) for module in modules for line in in_source(ast.parse(module)) if " " in line)
    return "\n".join(found).replace("`", "")


def test_the_page_has_sentences() -> None:
    assert 30 < len(SENTENCES) == len({*SENTENCES})


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_of_the_page_is_in_the_program(sentence: str) -> None:
    assert sentence in texts()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_a_cause_and_a_remedy(sentence: str) -> None:
    section = PAGE.split(f"### `{sentence}`\n")[1].split("\n#")[0]

    assert re.search(r"\*\*Cause\.\*\* .+\*\*Remedy\.\*\* .+", section, re.DOTALL), section


def test_a_sentence_of_nobody_is_not_found() -> None:
    assert "the moon is in the way" not in texts()
