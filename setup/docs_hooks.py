# noqa: INP001  # a script, not a package
"""What the site of the documentation needs besides docs/: hooks of mkdocs (mkdocs.yml names this file).

Input: the configuration and the pages that mkdocs has read. Output: the same, changed.
Rules: a link that works in a clone works on the site. A page at the top of the clone becomes a page of the site; any
other file outside of docs/ that a page links is copied into source/, so a link never leaves the site unasked.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

import lint_links  # mkdocs imports a hook with its folder in sys.path
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = lint_links.ROOT
DOCS: Final = ROOT / "docs"
TOP_PAGES: Final = ("CONTRIBUTING.md", "CHANGELOG.md")
HOME: Final = {"README.md": "index.md"}
"""README.md is the first page of the clone, index.md that of the site."""
FENCE_WORDS: Final = re.compile(r"^( *```\w+) \S+$", re.MULTILINE)
"""A second word behind the language tells the tests what a block is for; mkdocs would not take it for a block."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what has no page."""
    config.nav = _existing(config.nav or [])
    return config


def _existing(entries: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for entry in entries:
        title, target = next(iter(entry.items())) if isinstance(entry, dict) else (None, entry)
        if isinstance(target, list):
            kept.append({title: _existing(target)})
        elif target in TOP_PAGES or (DOCS / target).exists():
            kept.append(entry)
    return kept


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top of the clone, and the files outside of docs/ that pages link."""
    for name in TOP_PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for path in sorted(_linked_sources()):
        files.append(File.generated(config, f"source/{path}", abs_src_path=str(ROOT / path)))
    return files


def _linked_sources() -> set[str]:
    pages = [*DOCS.rglob("*.md"), *(ROOT / name for name in TOP_PAGES)]
    linked = {
        _clone_path(page, link.partition("#")[0])
        for page in pages
        for _, link in lint_links.links(page.read_text(encoding="utf-8"))
        if not link.startswith("#")
    }
    return {path for path in linked if not path.startswith("docs/") and path not in {*TOP_PAGES, *HOME}}


def _clone_path(page: Path, link: str) -> str:
    return posixpath.normpath(posixpath.join(page.parent.relative_to(ROOT).as_posix(), link))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # mkdocs passes by name
    """Give each relative link the path of its target on the site."""
    name = page.file.src_uri
    source = ROOT / name if name in TOP_PAGES else DOCS / name

    def on_site(found: re.Match[str]) -> str:
        link, mark, fragment = found[1].partition("#")
        if not link:
            return found[0]
        target = _clone_path(source, link)
        path = HOME.get(target, target) if target in {*HOME, *TOP_PAGES} else target.removeprefix("docs/")
        if not target.startswith("docs/") and target not in {*HOME, *TOP_PAGES}:
            path = f"source/{target}"
        return f"]({posixpath.relpath(path, posixpath.dirname(name) or '.')}{mark}{fragment})"

    return FENCE_WORDS.sub(r"\1", lint_links.LINK.sub(on_site, markdown))
