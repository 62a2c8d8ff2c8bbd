"""Draws a proof: networks as lines, services as boxes on them, host and outside at the borders, connections as arrows.

Input: a proof document and its `Summary`. Output: SVG markup.
Rule: the colour of an arrow is never the only sign of its category: stroke and label differ too. Every shape links to
its evidence.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from cloison_view.connections import Document
from cloison_view.edges import ALLOWED, CATEGORIES, NEEDED, TOLERATED, EdgeSet, edges
from cloison_view.labels import display_name, join_names, pluralize, shown
from cloison_view.layout import arrow_label, layout
from cloison_view.markup import Anchors, render_template
from cloison_view.summary import Summary, summarize
from cloison_view.svg_shapes import Arrow, Layout, Point
from cloison_view.topology import read_topology

HEAD: Final = {"breach": 15, "broken": 13}
"""The length of an arrow's head in pixels, where it is longer than the others."""
COLOR_COUNT: Final = 6
"""The number of colours of the lines of networks."""
SIZES: Final = {"small": 680, "middle": 1000}
"""The widest diagrams that are enlarged, in pixels."""
LEGEND: Final = {
    "breach": "open, intended to be closed",
    "broken": "closed, intended to be open",
    "unknown": "not observed, or nothing is intended",
    NEEDED: "open, as intended",
    ALLOWED: "open, as allowed",
    TOLERATED: "open, tolerated",
}
SENTENCES: Final = {
    "breach": "{source} reaches {target} at {ports}: breach",
    "broken": "{source} does not reach {target} at {ports}: broken",
    "unknown": "whether {source} reaches {target} at {ports} is not known",
    NEEDED: "{source} reaches {target} at {ports}, as intended",
    ALLOWED: "{source} reaches {target} at {ports}, as allowed",
    TOLERATED: "{source} reaches {target} at {ports}, which is tolerated",
}


def diagram(proof: Document, summary: Summary | None = None) -> Markup:
    """Return the diagram as SVG in a figure; the summary is made from the proof where none is given."""
    topology = read_topology(proof)
    found = edges(proof, (summary or summarize(proof)).connections, topology)
    drawn = layout(topology, found)
    return render_template(
        "diagram.html",
        name=proof["project"]["name"],
        drawn=drawn,
        anchors=Anchors(proof),
        legend=_legend(drawn),
        undrawn=[f"{pluralize(number, 'connection')} {word}" for word, number in sorted(found.undrawn.items())],
        summary=_summary(found),
        path=path,
        head=head,
        sentence=sentence,
        hues=COLOR_COUNT,
        size=next((name for name, most in SIZES.items() if drawn.width <= most), "large"),
    )


def path(points: tuple[Point, ...]) -> str:
    """Return the corners of an arrow."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def head(arrow: Arrow) -> str:
    """Return the corners of an arrow's head; the last segment of an arrow is always horizontal."""
    (before, _), (x, y) = arrow.points[-2:]
    size = HEAD.get(arrow.category, 10)
    back = x - size if x > before else x + size
    return path(((x, y), (back, y - size / 2), (back, y + size / 2)))


def sentence(arrow: Arrow) -> str:
    """Return an arrow in words."""
    sources = join_names([shown(display_name(edge.source)) for edge in arrow.edges])
    target = shown(display_name(arrow.edges[0].target))
    at = arrow_label(NEEDED, arrow.edges)
    said = SENTENCES[arrow.category].format(source=sources, target=target, ports=at if "any" in at else f"port {at}")
    return f"{said}; not as predicted" if arrow.drift else said


def _legend(drawn: Layout) -> list[tuple[str, str]]:
    """Return the categories in use with their meanings."""
    used = {arrow.category for arrow in drawn.arrows} | {
        collapsed.category for network_line in drawn.network_lines for collapsed in network_line.collapsed_edges
    }
    return [(category, LEGEND[category]) for category in CATEGORIES if category in used]


def _summary(found: EdgeSet) -> str:
    """Return the number of arrows of each category."""
    counted = [
        pluralize(sum(edge.category == category for edge in found.drawn), f"{category} arrow")
        for category in CATEGORIES
        if any(edge.category == category for edge in found.drawn)
    ]
    return ", ".join(counted) or "no arrow"
