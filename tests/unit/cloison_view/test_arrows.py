"""Connections that need action are always drawn; the others are drawn or counted."""

from __future__ import annotations

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, large_document

from cloison_view.edges import EdgeSet, category, edge_set, find_edges
from cloison_view.labels import ACTIONABLE
from cloison_view.ports import TargetPort
from cloison_view.scope import FULL_SCOPE
from cloison_view.summary import Connection, summarize
from cloison_view.topology import read_topology


def chosen(scene: str) -> EdgeSet:
    proof = document(scene)
    topology = read_topology(proof)
    return edge_set(find_edges(proof, summarize(proof).connections, topology), topology)


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
def test_a_connection_has_one_category(intended: str, observed: str, judgement: str, expected: str | None) -> None:
    connection = Connection(
        "app",
        TargetPort("db", "tcp", 1),
        intended,
        observed,
        observed,
        judgement,
        drift=False,
        is_open=False,
        scope=FULL_SCOPE,
        flows=(0,),
    )

    assert expected == category(connection)


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_connection_is_drawn_collapsed_or_counted(scene: str) -> None:
    found = chosen(scene)
    drawn = sum(len(edge.connections) for edge in found.drawn)
    folded = sum(len(edge.connections) for collapsed in found.collapsed_edges for edge in collapsed.edges)

    assert len(summarize(document(scene)).connections) == drawn + folded + found.undrawn.total()


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_a_connection_that_needs_action_is_never_only_counted(scene: str) -> None:
    assert not set(ACTIONABLE) & set(chosen(scene).undrawn)


def test_allowed_connections_are_drawn_and_those_tolerated_by_network_are_not() -> None:
    categories = {(edge.source, edge.target): edge.category for edge in chosen("tolerated").drawn}

    assert {
        ("outside", "proxy"): "needed",
        ("proxy", "app"): "needed",
        ("app", "db"): "needed",
        ("proxy", "outside"): "tolerated",
    } == categories


def test_without_a_policy_members_of_one_network_have_no_arrows() -> None:
    drawn = chosen("no-policy").drawn

    assert not [edge for edge in drawn if {edge.source, edge.target} == {"app", "db"}]


def test_the_edges_of_a_network_are_collapsed_when_there_are_too_many() -> None:
    proof = large_document(60)
    topology = read_topology(proof)
    found = edge_set(find_edges(proof, summarize(proof).connections, topology), topology)

    (collapsed,) = [collapsed for collapsed in found.collapsed_edges if collapsed.network.endswith("n9")]
    assert "breach" == collapsed.category
    assert not set(collapsed.edges) & set(found.drawn)
