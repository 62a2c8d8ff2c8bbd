"""Every relative link of the documentation names a file and a heading that exist."""

from __future__ import annotations

from pathlib import Path

import pytest
from setup import lint_links

ROOT = lint_links.ROOT


def test_every_relative_link_of_the_documentation_resolves(capsys: pytest.CaptureFixture[str]) -> None:
    assert ("", 0) == (capsys.readouterr().out, lint_links.main())
    assert "" == capsys.readouterr().out


@pytest.mark.parametrize(
    "link", ["docs/no-such-page.md", "README.md#no-such-heading", "#no-such-heading", "Makefile#no-such-heading"]
)
def test_a_link_without_a_target_is_reported_with_its_line(link: str) -> None:
    assert [(3, link)] == [*lint_links.broken_links(ROOT / "README.md", f"\n\n[text]({link})")]


def test_a_link_inside_a_code_block_is_ignored_and_its_lines_count() -> None:
    text = "```\n[text](no-such-page.md)\n```\n[text](another.md)\n"

    assert [(4, "another.md")] == [*lint_links.broken_links(ROOT / "README.md", text)]


def test_a_broken_link_ends_with_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text("# Page\n[here](#page) and [there](there.md)\n")
    monkeypatch.setattr(lint_links, "ROOT", tmp_path)

    assert 1 == lint_links.main()
    assert "docs/page.md:2: there.md\n" == capsys.readouterr().out


GENERATED = {"benchmarks.md"}
"""Written by `make bench`."""


def test_every_page_that_uses_the_words_of_the_glossary_links_to_it() -> None:
    pages = {page.name for page in ROOT.glob("docs/*.md")}
    linked = {name for name in pages if "](glossary.md" in (ROOT / "docs" / name).read_text()}

    assert {"glossary.md"} == pages - GENERATED - linked
