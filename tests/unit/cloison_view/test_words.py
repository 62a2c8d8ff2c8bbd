"""A page explains the words of the project, and none that the glossary does not have."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.cloison_view.sample_documents import document

from cloison_view.page import body
from cloison_view.words import WORDS

GLOSSARY = Path(__file__).parents[3] / "docs" / "glossary.md"


def test_every_word_stands_in_the_glossary_and_on_the_page() -> None:
    known = re.findall(r"\*\*(.+?)\*\*", GLOSSARY.read_text("utf-8"))
    page = body(document("breach"), "ab" * 32)

    # "unknown" is a value that the glossary explains at "reach".
    assert set(WORDS) - {"unknown"} <= set(known)
    assert all(f"<dt>{word}</dt><dd>" in page for word in WORDS)
