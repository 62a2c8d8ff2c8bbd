"""Draws a proof: networks as lines, services as boxes on them, host and outside at the edges, doors as arrows.

Rule: whatever an arrow says by its colour it says by its stroke and its label too. Everything links to its evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup

from cloison_view.connections import Document, Door, doors
from cloison_view.edges import ALLOWED, FACES, NEEDED, TOLERATED, Ways, ways
from cloison_view.labels import called, listed, many, shown
from cloison_view.layout import layout, words
from cloison_view.markup import Anchors, rendered
from cloison_view.svg_shapes import Arrow, Layout, Point
from cloison_view.topology import scenery

HEAD: Final = {"breach": 15, "broken": 13}
"""How long an arrow's head is, where it has more to say than the others."""
HUES: Final = 6
"""So many colours the networks' lines have."""
SIZES: Final = {"small": 680, "middle": 1000}
"""Up to so wide a picture may be enlarged."""
LEGEND: Final = {
    "breach": "open, and meant to be shut",
    "broken": "needed, and does not answer",
    "unknown": "could not be looked at, or nobody said what is meant",
    NEEDED: "open, as intended",
    ALLOWED: "open, as allowed",
    TOLERATED: "open, and tolerated",
}
SENTENCES: Final = {
    "breach": "{source} reaches {target} at {ports}: breach",
    "broken": "{source} does not reach {target} at {ports}: broken",
    "unknown": "whether {source} reaches {target} at {ports} is not known",
    NEEDED: "{source} reaches {target} at {ports}, as intended",
    ALLOWED: "{source} reaches {target} at {ports}, as allowed",
    TOLERATED: "{source} reaches {target} at {ports}, which is tolerated",
}


def picture(proof: Document, gathered: Iterable[Door] | None = None) -> Markup:
    """Return the picture as SVG in a figure; `gathered` are the proof's doors where the caller has them already."""
    seen = scenery(proof)
    found = ways(proof, doors(proof) if gathered is None else gathered, seen)
    drawn = layout(seen, found)
    return rendered(
        "picture.html",
        name=proof["project"]["name"],
        drawn=drawn,
        anchors=Anchors(proof),
        legend=_legend(drawn),
        implied=[many(number, f"door {word}", f"doors {word}") for word, number in sorted(found.implied.items())],
        summary=_summary(found),
        path=path,
        head=head,
        sentence=sentence,
        hues=HUES,
        size=next((name for name, most in SIZES.items() if drawn.width <= most), "large"),
    )


def path(points: tuple[Point, ...]) -> str:
    """Return the corners of an arrow."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def head(arrow: Arrow) -> str:
    """Return the corners of an arrow's head; the last stretch is always level."""
    (before, _), (x, y) = arrow.points[-2:]
    size = HEAD.get(arrow.face, 10)
    back = x - size if x > before else x + size
    return path(((x, y), (back, y - size / 2), (back, y + size / 2)))


def sentence(arrow: Arrow) -> str:
    """Return an arrow in words."""
    sources = listed([shown(called(way.source)) for way in arrow.ways])
    target = shown(called(arrow.ways[0].target))
    at = words(NEEDED, arrow.ways)
    said = SENTENCES[arrow.face].format(source=sources, target=target, ports=at if "any" in at else f"port {at}")
    return f"{said}; the file predicts otherwise" if arrow.drift else said


def _legend(drawn: Layout) -> list[tuple[str, str]]:
    """Return the faces in use with their meanings."""
    used = {arrow.face for arrow in drawn.arrows} | {fold.face for rail in drawn.rails for fold in rail.folds}
    return [(face, LEGEND[face]) for face in FACES if face in used]


def _summary(found: Ways) -> str:
    """Return what the picture shows, in a sentence."""
    counted = [
        many(sum(way.face == face for way in found.drawn), f"{face} arrow")
        for face in FACES
        if any(way.face == face for way in found.drawn)
    ]
    return ", ".join(counted) or "no door to draw"
