# noqa: INP001  # a script, not a package
"""Reports relative links of the documentation that lead nowhere: python setup/lint_links.py.

Input: README.md and the other pages at the top, and all of docs/.
Output: one line for each broken link, `page:line: link`; exit code 1 if there is one, else 0.
Rule: the anchor of a heading is the one that GitHub gives it; the site of the documentation gives the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def pages() -> list[Path]:
    """Return the pages of the documentation, in order."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings."""
    return frozenset(anchor(heading) for heading in HEADING.findall(_without_code(page.read_text(encoding="utf-8"))))


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield each relative link of a page with its line; code blocks have none."""
    blank = _without_code(text)
    for found in LINK.finditer(blank):
        yield blank.count("\n", 0, found.start()) + 1, found[1]


def broken_links(page: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield each relative link of a page whose file or heading does not exist, with its line."""
    for line, link in links(text):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and (target.suffix != ".md" or fragment not in anchors(target))):
            yield line, link


def _without_code(text: str) -> str:
    """Return a page with empty lines in place of its code blocks."""
    return FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def main() -> int:
    """Print the broken links and return the exit code."""
    found = [
        f"{page.relative_to(ROOT)}:{line}: {link}\n"
        for page in pages()
        for line, link in broken_links(page, page.read_text(encoding="utf-8"))
    ]
    sys.stdout.writelines(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
