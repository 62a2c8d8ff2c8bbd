"""Nothing in a picture lies on anything else, whatever the proof."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import pytest
from tests.unit.cloison_view.sample_documents import HOSTILE, SAMPLE_NAMES, document, large_document, renamed

from cloison_view.edges import edge_set, find_edges
from cloison_view.folded_views import folded_views
from cloison_view.layout import layout
from cloison_view.summary import summarize
from cloison_view.svg_shapes import Layout, Rect
from cloison_view.topology import read_topology


@cache
def drawn(name: str, number: int | None = None) -> Layout:
    """Lay a document out: whole, or a view of it by its number from the last."""
    proof = PROOFS[name]
    topology = read_topology(proof)
    found = find_edges(proof, summarize(proof).connections, topology)
    if number is None:
        return layout(topology, edge_set(found, topology))
    view = folded_views(topology)[number]
    return layout(view.topology, edge_set(found, view.topology, view.labels))


def solids(diagram: Layout) -> list[tuple[str, Rect]]:
    """Return everything on which nothing may lie: boxes, what of them reaches over the lines, labels, edges."""
    boxes = [part for box in diagram.boxes for part in ((box.place.name, box.rect),)]
    labels = [(arrow.label.text, arrow.label.rect) for arrow in diagram.arrows if arrow.label]
    heads = [(network_line.label.text, network_line.label.rect) for network_line in diagram.network_lines]
    return [*boxes, *labels, *heads, ("outside", diagram.outside), ("host", diagram.host)]


def proofs() -> dict[str, dict[str, Any]]:
    """Return every kind of document by name."""
    scenes = {scene: document(scene) for scene in SAMPLE_NAMES}
    return {
        **scenes,
        "crowded": large_document(60),
        "flat": large_document(12),
        **{f"hostile {i}": renamed(document("stranger"), evil) for i, evil in enumerate(HOSTILE)},
        "empty": {**document("holds"), "vantages": [], "endpoints": [], "flows": []},
    }


PROOFS = proofs()


@pytest.mark.parametrize("name", PROOFS)
@pytest.mark.parametrize("number", [None, 0, -1])
def test_nothing_lies_on_anything_else(name: str, number: int | None) -> None:
    found = solids(drawn(name, number))

    assert [] == [(one, other) for (one, a), (other, b) in combinations(found, 2) if a.overlaps(b)]


@pytest.mark.parametrize("name", PROOFS)
def test_a_box_reaches_over_the_lines_without_touching_another_box_or_a_label(name: str) -> None:
    diagram = drawn(name)
    labels = [arrow.label.rect for arrow in diagram.arrows if arrow.label]
    labels += [network_line.label.rect for network_line in diagram.network_lines]

    for box in diagram.boxes:
        others = [other.rect for other in diagram.boxes if other is not box]
        assert not any(box.extension.overlaps(rect) for rect in (*others, *labels))


@pytest.mark.parametrize("name", PROOFS)
def test_everything_is_inside_the_picture(name: str) -> None:
    diagram = drawn(name)

    for _, rect in solids(diagram):
        assert rect.x >= 0
        assert rect.y >= 0
        assert rect.right <= diagram.width
        assert rect.bottom <= diagram.height


@pytest.mark.parametrize("name", PROOFS)
def test_a_name_fits_into_its_box(name: str) -> None:
    for box in drawn(name).boxes:
        assert box.rect.x <= box.label.rect.x
        assert box.label.rect.right <= box.rect.right


@pytest.mark.parametrize("name", PROOFS)
def test_an_arrow_ends_at_what_it_is_about(name: str) -> None:
    diagram = drawn(name)
    boxes = {box.place.name: box for box in diagram.boxes}

    for arrow in diagram.arrows:
        if arrow.has_head and arrow.edges[0].target in boxes:
            x, y = arrow.points[-1]
            box = boxes[arrow.edges[0].target]
            assert x in (box.extension.x, box.rect.x, box.rect.right)
            assert box.rect.y < y < box.rect.bottom


@pytest.mark.parametrize("name", PROOFS)
def test_no_two_trunks_lie_on_each_other(name: str) -> None:
    edge_bundles = [arrow.points for arrow in drawn(name).arrows if len(arrow.points) > 2]
    spans = [(points[0][0], min(y for _, y in points), max(y for _, y in points)) for points in edge_bundles]

    for (x, top, bottom), (other, above, below) in combinations(spans, 2):
        assert x != other or bottom < above or below < top


def test_the_worst_lies_on_top() -> None:
    categories = [arrow.category for arrow in drawn("breach").arrows]

    assert categories.index("needed") < categories.index("breach")
    assert "breach" == categories[-1]


def test_what_no_eye_can_follow_is_told_where_it_ends() -> None:
    labels = [arrow.label.text for arrow in drawn("crowded").arrows if arrow.label]

    assert any(text.startswith("BREACH") and text.endswith("services") for text in labels)
