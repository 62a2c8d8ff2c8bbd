"""The site of the documentation, as `make docs` builds it: complete, and without a byte from another host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import expect, sync_playwright
from setup import lint_links

ROOT: Final = Path(__file__).resolve().parents[3]
LOADS: Final = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}
"""Elements whose attribute a browser loads unasked; the `href` of an `a` is a link that a reader follows."""
OWN: Final = re.compile(r"^(?![a-z]+:|//)|^data:", re.IGNORECASE)


def build(folder: Path, configuration: Path) -> subprocess.CompletedProcess[str]:
    """Build a site into a folder, as `make docs` does."""
    return subprocess.run(
        ["setup/docs.sh", folder, configuration],
        cwd=ROOT,
        env={**os.environ, "CLOISON_GOAL": "docs"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site into a folder of its own; strict, so a warning fails here."""
    folder = tmp_path_factory.mktemp("site")
    built = build(folder, ROOT / "mkdocs.yml")
    assert 0 == built.returncode, built.stderr
    return folder


@pytest.mark.parametrize("link", ["no-such-page.md", "glossary.md#no-such-heading", "../no-such-file"])
def test_a_link_that_leads_nowhere_fails_the_build(site: Path, tmp_path: Path, link: str) -> None:
    for name in ("docs", "setup"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and entry.name not in {"docs", "setup"}:
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n[a link]({link})\n")

    built = build(tmp_path / "made", tmp_path / "mkdocs.yml")

    assert site.exists()
    assert 1 == built.returncode
    assert link.removeprefix("../") in built.stderr


class Loads(HTMLParser):
    """Collects the addresses that a browser loads for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address that an element loads."""
        found = dict(attrs).get(LOADS.get(tag, ""))
        if found and dict(attrs).get("rel") not in {"canonical", "prev", "next"}:
            self.addresses.append(found)


def foreign(text: str) -> list[str]:
    """Return what a page loads from another host."""
    reader = Loads()
    reader.feed(text)
    return [address for address in reader.addresses if not OWN.match(address)]


def test_every_page_of_the_documentation_is_a_page_of_the_site(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs") for page in lint_links.pages() if page.is_relative_to(ROOT / "docs")}
    built = {page.relative_to(site) for page in site.rglob("*.html")}

    assert {page.with_name(page.name.replace("README", "index")).with_suffix(".html") for page in pages} <= built
    assert {Path("CONTRIBUTING.html"), Path("CHANGELOG.html")} <= built


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = [*site.rglob("*.html")]
    styles = [*site.rglob("*.css")]

    assert pages
    assert styles
    assert {} == {str(page): found for page in pages if (found := foreign(page.read_text()))}
    assert [] == [str(s) for s in styles if re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", s.read_text())]


@pytest.mark.parametrize(
    "page", ['<script src="https://x.example/a.js">', '<link rel="stylesheet" href="//x.example/a.css">']
)
def test_an_address_of_another_host_is_found(page: str) -> None:
    assert foreign(page)
    assert not foreign('<a href="https://x.example"><script src="assets/a.js"></script><img src="data:image/png,">')


@pytest.fixture
def requests_of_a_search(site: Path) -> Iterator[list[str]]:
    """Search from the disk for a word of the glossary, and return the addresses that the browser has asked for."""
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.goto((site / "index.html").as_uri())
            page.get_by_placeholder("Search").first.fill("toleration")
            expect(page.locator(".md-search-result__item").first).to_be_visible()
            yield asked
        finally:
            browser.close()


@pytest.mark.browser
def test_the_search_works_from_a_disk_and_asks_no_other_host(requests_of_a_search: list[str]) -> None:
    assert requests_of_a_search
    assert [] == [address for address in requests_of_a_search if not address.startswith(("file:", "data:", "blob:"))]
