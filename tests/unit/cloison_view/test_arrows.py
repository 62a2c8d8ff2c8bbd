"""What needs action is always drawn; what a line implies is counted."""

from __future__ import annotations

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, large_document

from cloison_view.connections import ProofConnection, connections
from cloison_view.edges import EdgeSet, category, edges
from cloison_view.labels import ACTIONABLE
from cloison_view.topology import read_topology


def chosen(scene: str) -> EdgeSet:
    proof = document(scene)
    return edges(proof, connections(proof), read_topology(proof))


@pytest.mark.parametrize(
    ("intended", "observed", "judgement", "expected"),
    [
        ("shut", "open", "breach", "breach"),
        ("open", "shut", "broken", "broken"),
        ("open", "open", "broken", "broken"),
        ("shut", "unknown", "unknown", "unknown"),
        ("undecided", "open", "unknown", "unknown"),
        ("open", "open", "holds", "needed"),
        ("optional", "open", "holds", "allowed"),
        ("tolerated", "open", "tolerated", "tolerated"),
        ("unjudged", "open", "unjudged", None),
        ("shut", "shut", "holds", None),
        ("tolerated", "shut", "holds", None),
    ],
)
def test_the_face_of_a_door(intended: str, observed: str, judgement: str, expected: str | None) -> None:
    connection = ProofConnection(
        "app", "db", "tcp", 1, intended, observed, observed, judgement, drift=False, flows=(0,)
    )

    assert expected == category(connection)


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_door_is_drawn_folded_or_counted(scene: str) -> None:
    found = chosen(scene)
    drawn = sum(len(edge.connections) for edge in found.drawn)
    folded = sum(len(edge.connections) for collapsed in found.collapsed_edges for edge in collapsed.edges)

    assert len(connections(document(scene))) == drawn + folded + found.undrawn.total()


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_what_needs_action_is_never_only_counted(scene: str) -> None:
    assert not set(ACTIONABLE) & set(chosen(scene).undrawn)


def test_what_is_allowed_is_drawn_and_what_its_network_implies_is_not() -> None:
    categories = {(edge.source, edge.target): edge.category for edge in chosen("tolerated").drawn}

    assert {
        ("outside", "proxy"): "needed",
        ("proxy", "app"): "needed",
        ("app", "db"): "needed",
        ("proxy", "outside"): "tolerated",
    } == categories


def test_without_a_policy_a_line_says_enough() -> None:
    drawn = chosen("no-policy").drawn

    assert not [edge for edge in drawn if {edge.source, edge.target} == {"app", "db"}]


def test_a_network_carries_the_word_when_its_members_have_too_many_ways() -> None:
    proof = large_document(60)
    found = edges(proof, connections(proof), read_topology(proof))

    (collapsed,) = [collapsed for collapsed in found.collapsed_edges if collapsed.network.endswith("n9")]
    assert "breach" == collapsed.category
    assert not set(collapsed.edges) & set(found.drawn)
