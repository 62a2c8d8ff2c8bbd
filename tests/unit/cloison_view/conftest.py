"""A browser, and pages of proofs on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.unit.cloison_view.sample_documents import HOSTILE, document, large_document, renamed

from cloison_view.page import render_page

NAME = "ab" * 32


@pytest.fixture(scope="module")  # its loop runs while it is open, and nobody else may run one
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return the address of a page on disk, by the name of its scene."""
    folder = tmp_path_factory.mktemp("pages")

    def address(scene: str) -> str:
        path: Path = folder / f"{scene}.html"
        if not path.exists():
            proof = large_document(60) if scene == "crowded" else document("breach" if scene == "hostile" else scene)
            for evil in HOSTILE if scene == "hostile" else ():
                proof = renamed(proof, evil)
            path.write_text(render_page(proof, NAME))
        return path.as_uri()

    return address
