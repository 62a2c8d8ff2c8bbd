"""Draws docs/images/proof.svg from a stored proof: the head of the terminal report, as a terminal shows it.

cloison rehearse --format json --output proof.json; python docs/images/draw.py proof.json
"""  # noqa: INP001  # a script, not a package

from __future__ import annotations

import io
import sys
from itertools import takewhile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from cloison.proof.schema import Proof, parse
from cloison.reports import terminal

PICTURE: Final = Path(__file__).with_name("proof.svg")
WIDTH: Final = 92
SECTIONS: Final = 4
"""Headline, matrix, legend, and what there is to act on."""
SVG_TEMPLATE: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>The report of cloison prove</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own form without the fonts that it fetches: a picture in a page that is read offline fetches nothing."""


def picture(proof: Proof) -> str:
    """Return the picture of a proof."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    for line in first_sections(terminal.render(proof, color=True, width=WIDTH, strict=False)):
        console.print(Text.from_ansi(line), soft_wrap=True)
    return console.export_svg(title="cloison", code_format=SVG_TEMPLATE, unique_id="proof")


def first_sections(report: str) -> list[str]:
    """Return the first parts of a report."""
    blank_lines = 0

    def is_wanted(line: str) -> bool:
        nonlocal blank_lines
        blank_lines += not line
        return blank_lines < SECTIONS

    return list(takewhile(is_wanted, report.splitlines()))


if __name__ == "__main__":
    PICTURE.write_text(picture(parse(Path(sys.argv[1]).read_bytes())))
