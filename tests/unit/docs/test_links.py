"""Every relative link of the documentation names a file and a heading that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield each relative link of a page whose file or heading does not exist."""
    for link in LINK.findall(FENCE.sub("", text)):
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            yield link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    return {anchor(heading) for heading in HEADING.findall(FENCE.sub("", page.read_text()))}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_relative_link_of_a_page_resolves(page: Path) -> None:
    assert [] == [*broken_links(page, page.read_text())]


@pytest.mark.parametrize("link", ["docs/no-such-page.md", "README.md#no-such-heading", "#no-such-heading"])
def test_a_link_without_a_target_is_reported(link: str) -> None:
    assert [link] == [*broken_links(ROOT / "README.md", f"[text]({link})")]


def test_a_link_inside_a_code_block_is_ignored() -> None:
    assert [] == [*broken_links(ROOT / "README.md", "```\n[text](no-such-page.md)\n```\n")]


GENERATED = {"benchmarks.md"}
"""Written by `make bench`."""


def test_every_page_that_uses_the_words_of_the_glossary_links_to_it() -> None:
    pages = {page.name for page in ROOT.glob("docs/*.md")}
    linked = {name for name in pages if "](glossary.md" in (ROOT / "docs" / name).read_text()}

    assert {"glossary.md"} == pages - GENERATED - linked
