"""Keeps a picture of every open page of a browser test that fails, in build/pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Error

FOLDER: Final = Path(__file__).parents[1] / "build" / "pictures"


def keep_pictures(name: str, arguments: Mapping[str, Any], folder: Path = FOLDER) -> list[Path]:
    """Write a picture of each page that the browsers among a test's arguments have open, and return their files."""
    browsers = [value for value in arguments.values() if isinstance(value, Browser)]
    pages = [page for browser in browsers for context in browser.contexts for page in context.pages]
    kept = []
    for number, page in enumerate(pages):
        file = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{number}.png"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            page.screenshot(path=file, full_page=True)
        except Error:  # a page that has crashed has no picture; the failure of the test says more
            continue
        kept.append(file)
    return kept
