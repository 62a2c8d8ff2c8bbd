"""A network folds into one box; a large picture is folded at first, and what nobody could read is not drawn."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, large_document

from cloison_view.diagram import diagram
from cloison_view.edges import edge_set, find_edges
from cloison_view.folded_views import MAX_BOXES, MAX_SINGLE, MAX_UNFOLDED, FoldedView, folded_views
from cloison_view.layout import layout
from cloison_view.summary import summarize
from cloison_view.topology import read_topology


def views_of(proof: dict[str, Any]) -> list[FoldedView]:
    return folded_views(read_topology(proof))


def boxes(view: FoldedView) -> dict[str, tuple[str, ...]]:
    """Return the boxes that stand for several services, with these."""
    return {place.label: place.members for place in view.topology.places if place.members}


def keys(proof: dict[str, Any], names: frozenset[str]) -> set[str]:
    """Return the names of networks in the file."""
    return {part["key"] for part in proof["project"]["networks"] if part["name"] in names}


def meshed(number: int) -> dict[str, Any]:
    """Return a small document whose file puts so many services on as many networks, each on all of them."""
    proof = document("holds")
    service, network = proof["project"]["services"][0], proof["project"]["networks"][0]
    proof["project"]["networks"] = [{**network, "name": f"n{i}", "key": f"n{i}"} for i in range(number)]
    networks = [part["name"] for part in proof["project"]["networks"]]
    proof["project"]["services"] += [{**service, "name": f"s{i}", "networks": networks} for i in range(number)]
    return proof


def test_a_small_picture_is_unfolded_at_first_and_each_network_folds_into_one_box() -> None:
    proof = document("twelve")
    first, *singles, every = views_of(proof)

    assert {} == boxes(first)
    assert [{"core"}, {"data"}, {"edge"}, {"jobs"}] == [keys(proof, view.folded) for view in singles]
    assert {"3 services of edge": ("admin-console", "gateway", "storefront")} == boxes(singles[2])
    assert ["3 services of edge", "5 services of core", "3 services of data", "2 services of jobs"] == list(
        boxes(every)
    )
    for view in singles:
        (name,) = view.folded
        assert (0, 0) == (view.toggles[name], view.other)
        assert views_of(proof)[first.toggles[name]].folded == view.folded


def test_a_large_picture_is_folded_at_first_and_each_network_unfolds() -> None:
    first, *singles, none = views_of(large_document(40))

    assert len(first.topology.places) <= MAX_BOXES
    assert 10 == len(first.folded) == len(singles)
    for view in singles:
        (name,) = first.folded - view.folded
        assert not [place for place in view.topology.places if place.members and name in place.attachments]
        assert boxes(view)
    assert ({}, 0) == (boxes(none), none.other)


def test_a_very_large_picture_has_no_view_of_every_service() -> None:
    assert all(map(boxes, views_of(large_document(MAX_UNFOLDED + 1))))
    assert views_of(large_document(MAX_UNFOLDED + 1))[0].other is None


def test_every_control_leads_to_a_view_in_which_its_network_is_the_other_way() -> None:
    for proof in (*map(document, SAMPLE_NAMES), large_document(40), large_document(61)):
        views = views_of(proof)
        for view in views:
            assert all((name in view.folded) != (name in views[to].folded) for name, to in view.toggles.items())
            assert view.other is None or not (view.folded and views[view.other].folded == view.folded)


def test_many_networks_have_no_view_each() -> None:
    first, every = views_of(meshed(MAX_SINGLE + 1))

    assert ({}, 1) == (first.toggles, first.other)
    assert ({}, 0) == (every.toggles, every.other)


def test_what_is_foreign_or_attached_otherwise_has_a_box_of_its_own() -> None:
    for view in views_of(document("breach")):
        assert "app" not in view.labels
    for view in views_of(document("stranger")):
        assert not [name for name in view.labels if name.startswith("stranger:")]


def test_services_that_differ_in_their_networks_are_not_in_one_box() -> None:
    proof = large_document(30)
    for number, service in enumerate(proof["project"]["services"]):
        service["networks"] = [f"own{number}"]

    assert [{}] == [boxes(view) for view in views_of(proof)]


@pytest.mark.parametrize("proof", [document("twelve"), large_document(60)], ids=["few", "many"])
def test_every_view_has_every_arrow(proof: dict[str, Any]) -> None:
    found = find_edges(proof, summarize(proof).connections, read_topology(proof))
    pairs = {pair for edge in found.edges for pair in edge.pairs}

    assert {(c.source, c.target) for c in summarize(proof).connections if c.judgement == "breach"} <= pairs
    for view in views_of(proof):
        edges = edge_set(found, view.topology, view.labels)
        drawn = {pair for edge in edges.drawn for pair in edge.pairs}
        assert pairs == drawn | {p for part in edges.collapsed_edges for edge in part.edges for p in edge.pairs}


def test_a_breach_inside_of_a_box_is_not_one_of_the_host() -> None:
    proof = document("twelve")
    found = find_edges(proof, summarize(proof).connections, read_topology(proof))
    view = next(view for view in views_of(proof) if "3 services of edge" in boxes(view))
    drawn = layout(view.topology, edge_set(found, view.topology, view.labels))
    inside = [arrow for arrow in drawn.arrows if any(edge.source == edge.target for edge in arrow.edges)]

    assert {"breach"} <= {arrow.category for arrow in inside}
    assert all(x < drawn.host.x for arrow in inside for x, _ in arrow.points)


@pytest.mark.parametrize("number", [200, 600])
def test_too_many_networks_are_not_drawn_and_cost_no_time(number: int) -> None:
    proof = meshed(number)
    summary, start = summarize(proof), process_time()
    text = diagram(proof, summary)

    assert process_time() - start < 1.5
    assert "are too many to draw" in text
    assert "<svg" not in text


def test_time_grows_with_the_number_of_attachments() -> None:
    proof = meshed(300)
    start = process_time()
    topology = read_topology(proof)

    assert topology.attachment_count > 300 * 300
    assert process_time() - start < 1.5
