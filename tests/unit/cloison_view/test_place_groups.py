"""A large diagram draws services on the same networks as one box, and what nobody could read is not drawn."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from tests.unit.cloison_view.sample_documents import document, large_document

from cloison_view.diagram import diagram
from cloison_view.edges import edges
from cloison_view.place_groups import MAX_BOXES, group_places
from cloison_view.summary import Summary, summarize
from cloison_view.topology import Topology, read_topology


def grouped(proof: dict[str, Any]) -> tuple[Summary, Topology]:
    return group_places(summarize(proof), read_topology(proof))


def meshed(number: int) -> dict[str, Any]:
    """Return a small document whose file puts so many services on as many networks, each on all of them."""
    proof = document("holds")
    service, network = proof["project"]["services"][0], proof["project"]["networks"][0]
    proof["project"]["networks"] = [{**network, "name": f"n{i}", "key": f"n{i}"} for i in range(number)]
    networks = [part["name"] for part in proof["project"]["networks"]]
    proof["project"]["services"] += [{**service, "name": f"s{i}", "networks": networks} for i in range(number)]
    return proof


def test_few_services_have_a_box_each() -> None:
    assert all(not place.members for place in grouped(document("twelve"))[1].places)


@pytest.mark.slow
def test_many_services_on_the_same_networks_are_one_box() -> None:
    _, topology = grouped(large_document(60))

    assert len(topology.places) <= MAX_BOXES
    assert 60 == sum(len(place.members) or 1 for place in topology.places)
    for place in topology.places:
        assert {*place.attachments.values()} == {"attached"}
    assert "60 services in" in diagram(large_document(60))


def test_services_that_differ_in_their_networks_are_not_grouped() -> None:
    proof = large_document(30)
    for number, service in enumerate(proof["project"]["services"]):
        service["networks"] = [f"own{number}"]

    assert all(not place.members for place in grouped(proof)[1].places)


def test_a_group_has_every_arrow_of_its_members() -> None:
    proof = large_document(60)
    summary, topology = grouped(proof)
    found = edges(proof, summary.connections, topology)
    pairs = {pair for edge in found.drawn for pair in edge.pairs}
    pairs |= {pair for collapsed in found.collapsed_edges for edge in collapsed.edges for pair in edge.pairs}

    breaches = {(c.source, c.target) for c in summarize(proof).connections if c.judgement == "breach"}
    assert breaches <= pairs


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
