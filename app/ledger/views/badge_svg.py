"""Renders a verdict as a badge: one SVG without external fonts, styles or images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from ledger.views import labels as views_labels

HEIGHT: Final = 20
PADDING: Final = 7
LABEL: Final = "isolation"
# White text on these has a contrast of at least 4.5:1 (WCAG 2.2, 1.4.3).
COLOURS: Final[Mapping[str, str]] = {
    views_labels.PROVEN: "#1a7f4b",
    views_labels.BREACHED: "#c4242b",
    views_labels.DRAWN: "#5b6675",
    views_labels.UNPROVEN: "#8a5a00",
    views_labels.NONE: "#5b6675",
}
# Widths at 11 px in Verdana; textLength scales any other font to them.
NARROW: Final = frozenset("fijlrt1·. ")
NARROW_WIDTH: Final = 4.4
WIDE_WIDTH: Final = 7.0

FRAME: Final = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" aria-label="{label}: {text}">'
    "<title>{label}: {text}</title>"
    '<clipPath id="r"><rect width="{width}" height="{height}" rx="4"/></clipPath>'
    '<g clip-path="url(#r)"><rect width="{left}" height="{height}" fill="#3b4451"/>'
    '<rect x="{left}" width="{right}" height="{height}" fill="{colour}"/></g>'
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
    '<text x="{label_x}" y="14" textLength="{label_length}">{label}</text>'
    '<text x="{text_x}" y="14" textLength="{text_length}">{text}</text></g></svg>\n'
)


@dataclass(frozen=True, slots=True)
class _TextBox:
    text: str

    @property
    def length(self) -> int:
        return round(sum(NARROW_WIDTH if letter in NARROW else WIDE_WIDTH for letter in self.text))

    @property
    def width(self) -> int:
        return self.length + 2 * PADDING


def badge_svg(word: str, age: str | None, *, is_current: bool = True) -> Markup:
    """Return the badge for a verdict and its age; it contains the word, so that colour is not the only sign.

    A verdict that is not current has the colour of an unproven one, unless its own is a stronger warning.
    """
    if not is_current and word != views_labels.BREACHED:
        colour = COLOURS[views_labels.UNPROVEN]
    else:
        colour = COLOURS.get(word, COLOURS[views_labels.UNPROVEN])
    shown = views_labels.verdict_word(word)
    label, text = _TextBox(LABEL), _TextBox(f"{shown} · {age}" if age else shown)
    return FRAME.format(
        label=label.text,
        text=text.text,
        width=label.width + text.width,
        height=HEIGHT,
        left=label.width,
        right=text.width,
        colour=colour,
        label_x=PADDING,
        label_length=label.length,
        text_x=label.width + PADDING,
        text_length=text.length,
    )
