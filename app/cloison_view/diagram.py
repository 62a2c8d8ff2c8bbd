"""Draws a proof: networks as lines, services as boxes on them, host and outside at the borders, connections as arrows.

Input: a proof document and its `Summary`. Output: SVG markup, one picture for each view of `folded_views`; links lead
from one to another, so a network is folded without a script, too.
Rule: the colour of an arrow is never the only sign of its category: stroke and label differ too. Every shape links to
its evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from markupsafe import Markup

from cloison_view.connections import Document
from cloison_view.edges import ALLOWED, CATEGORIES, NEEDED, TOLERATED, Edge, EdgeSet, FoundEdges, edge_set, find_edges
from cloison_view.folded_views import FoldedView, folded_views
from cloison_view.labels import display_name, intention_words, join_names, pluralize, shown
from cloison_view.layout import arrow_label, layout
from cloison_view.markup import Anchors, render_template
from cloison_view.summary import Summary, summarize
from cloison_view.svg_shapes import Arrow, Point
from cloison_view.topology import read_topology

HEAD: Final = {"breach": 15, "broken": 13}
"""The length of an arrow's head in pixels, where it is longer than the others."""
COLOR_COUNT: Final = 6
"""The number of colours of the lines of networks."""
SIZES: Final = {"small": 680, "middle": 1000}
"""The widest diagrams that are enlarged, in pixels."""
MAX_NETWORKS: Final = 80
MAX_ATTACHMENTS: Final = 3000
MAX_DECLARED: Final = 30_000
"""A diagram of more lines, more dots on them, or of a file with more attachments is not drawn: it would take seconds,
and nobody could read it."""
OTHER_VIEW: Final = {True: "Fold every network", False: "Unfold every network"}
"""The control of all networks, by whether it leads to a view with folded networks."""
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


def diagram(proof: Document, summary: Summary | None = None, elsewhere: str = "") -> Markup:
    """Return the diagram as SVG in a figure; the summary is made from the proof where none is given."""
    networks, attachments = _declared(proof)
    if networks > MAX_NETWORKS or attachments > MAX_DECLARED:
        return _not_drawn(networks, attachments)
    topology = read_topology(proof)
    views = folded_views(topology)
    if len(topology.networks) > MAX_NETWORKS or views[0].topology.attachment_count > MAX_ATTACHMENTS:
        return _not_drawn(len(topology.networks), topology.attachment_count)
    found = find_edges(proof, (summary or summarize(proof)).connections, topology)
    return render_template(
        "diagram.html",
        name=proof["project"]["name"],
        views=[_view(view, views, found) for view in views],
        anchors=Anchors(proof, elsewhere),
        legend=_legend(found.edges, has_policy=proof["policy"] is not None),
        undrawn=[f"{pluralize(number, 'connection')} {word}" for word, number in sorted(found.undrawn.items())],
        path=path,
        head=head,
        sentence=partial(sentence, has_policy=proof["policy"] is not None),
        hues=COLOR_COUNT,
    )


def _view(view: FoldedView, views: list[FoldedView], found: FoundEdges) -> dict[str, Any]:
    """Return the values of one picture."""
    edges = edge_set(found, view.topology, view.labels)
    drawn = layout(view.topology, edges)
    return {
        "folded_view": view,
        "other": "" if view.other is None else OTHER_VIEW[bool(views[view.other].folded)],
        "groups": sum(bool(place.members) for place in view.topology.places),
        "grouped": len(view.labels),
        "names_end": max((box.rect.right for box in drawn.boxes), default=drawn.width),
        "ends": partial(arrow_ends, {place.name: str(at) for at, place in enumerate(view.topology.places)}),
        "drawn": drawn,
        "summary": _summary(edges),
        "size": next((name for name, most in SIZES.items() if drawn.width <= most), "large"),
    }


def _declared(proof: Document) -> tuple[int, int]:
    """Return the number of networks of the file and of attachments to them."""
    project = proof["project"]
    return len(project["networks"]), sum(len(service["networks"]) for service in project["services"])


def _not_drawn(networks: int, attachments: int) -> Markup:
    return render_template("diagram.html", views=(), networks=networks, attachments=attachments)


def arrow_ends(positions: Mapping[str, str], arrow: Arrow) -> str:
    """Return the positions of the boxes that an arrow connects, by which a script isolates one of them."""
    names = dict.fromkeys(name for edge in arrow.edges for name in (edge.source, edge.target))
    return " ".join(positions.get(name, name) for name in names)


def path(points: tuple[Point, ...]) -> str:
    """Return the corners of an arrow."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def head(arrow: Arrow) -> str:
    """Return the corners of an arrow's head; the last segment of an arrow is always horizontal."""
    (before, _), (x, y) = arrow.points[-2:]
    size = HEAD.get(arrow.category, 10)
    back = x - size if x > before else x + size
    return path(((x, y), (back, y - size / 2), (back, y + size / 2)))


def sentence(arrow: Arrow, *, has_policy: bool = True) -> str:
    """Return an arrow in words."""
    sources = join_names([shown(display_name(edge.source)) for edge in arrow.edges])
    target = shown(display_name(arrow.edges[0].target))
    at = arrow_label(NEEDED, arrow.edges)
    template = intention_words(SENTENCES[arrow.category], has_policy=has_policy)
    said = template.format(source=sources, target=target, ports=at if "any" in at else f"port {at}")
    return f"{said}; not as predicted" if arrow.drift else said


def _legend(edges: Iterable[Edge], *, has_policy: bool) -> list[tuple[str, str]]:
    """Return the categories in use with their meanings."""
    used = {edge.category for edge in edges}
    return [
        (category, intention_words(LEGEND[category], has_policy=has_policy))
        for category in CATEGORIES
        if category in used
    ]


def _summary(found: EdgeSet) -> str:
    """Return the number of arrows of each category."""
    counted = [
        pluralize(sum(edge.category == category for edge in found.drawn), f"{category} arrow")
        for category in CATEGORIES
        if any(edge.category == category for edge in found.drawn)
    ]
    return ", ".join(counted) or "no arrow"
