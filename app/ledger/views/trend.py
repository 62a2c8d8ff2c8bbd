"""Draws the verdicts of the last proofs as SVG bars, the oldest at the left; height and fill show the verdict too.

Rule: the content security policy forbids inline styles, so sizes are attributes and colours are classes of ledger.css.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from markupsafe import Markup

from ledger.views import labels as views_labels

BARS: Final = 30
STEP: Final = 7
WIDTH: Final = 5
HEIGHT: Final = 24
# A proven verdict is a short bar, so that the others stand out.
BAR_HEIGHTS: Final[Mapping[str, int]] = {
    views_labels.NONE: 2,
    views_labels.PROVEN: 8,
    views_labels.DRAWN: 8,
    views_labels.UNPROVEN: 16,
    views_labels.BREACHED: HEIGHT,
}

FRAME: Final = Markup(
    '<svg class="trend" role="img" aria-label="{label}" width="{width}" height="{height}"'
    ' viewBox="0 0 {width} {height}">{bars}</svg>'
)
BAR: Final = Markup('<rect class="bar {word}" x="{x}" y="{y}" width="{width}" height="{height}" rx="1"/>')


@lru_cache(maxsize=1024)
def trend(verdicts: tuple[str, ...]) -> Markup:
    """Return the bars for verdicts, oldest first; the newest is at the right, and a short bar is a missing proof."""
    last = verdicts[-BARS:]
    label = (
        f"Last {len(last)} proofs: {views_labels.verdict_counts(last)}"
        if len(last) > 1
        else f"One proof: {views_labels.verdict_counts(last)}"
    )
    return FRAME.format(label=label, width=BARS * STEP, height=HEIGHT, bars=Markup("").join(_bars(last)))


def _bars(verdicts: tuple[str, ...]) -> Iterator[Markup]:
    for place, word in enumerate((views_labels.NONE,) * (BARS - len(verdicts)) + verdicts):
        height = BAR_HEIGHTS.get(word, BAR_HEIGHTS[views_labels.UNPROVEN])
        yield BAR.format(word=word, x=place * STEP + STEP - WIDTH, y=HEIGHT - height, width=WIDTH, height=height)
