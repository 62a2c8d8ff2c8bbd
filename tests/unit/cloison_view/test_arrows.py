"""What needs action is always drawn; what a line implies is counted."""

from __future__ import annotations

import pytest
from tests.unit.cloison_view.sample_documents import SCENES, crowded, document

from cloison_view.connections import Door, doors
from cloison_view.edges import Ways, face, ways
from cloison_view.labels import ATTENTION
from cloison_view.topology import scenery


def chosen(scene: str) -> Ways:
    proof = document(scene)
    return ways(proof, doors(proof), scenery(proof))


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
    door = Door("app", "db", "tcp", 1, intended, observed, observed, judgement, drift=False, flows=(0,))

    assert expected == face(door)


@pytest.mark.parametrize("scene", SCENES)
def test_every_door_is_drawn_folded_or_counted(scene: str) -> None:
    found = chosen(scene)
    drawn = sum(len(way.doors) for way in found.drawn)
    folded = sum(len(way.doors) for fold in found.folds for way in fold.ways)

    assert len(doors(document(scene))) == drawn + folded + found.implied.total()


@pytest.mark.parametrize("scene", SCENES)
def test_what_needs_action_is_never_only_counted(scene: str) -> None:
    assert not set(ATTENTION) & set(chosen(scene).implied)


def test_what_is_allowed_is_drawn_and_what_its_network_implies_is_not() -> None:
    faces = {(way.source, way.target): way.face for way in chosen("tolerated").drawn}

    assert {
        ("outside", "proxy"): "needed",
        ("proxy", "app"): "needed",
        ("app", "db"): "needed",
        ("proxy", "outside"): "tolerated",
    } == faces


def test_without_a_policy_a_line_says_enough() -> None:
    drawn = chosen("no-policy").drawn

    assert not [way for way in drawn if {way.source, way.target} == {"app", "db"}]


def test_a_network_carries_the_word_when_its_members_have_too_many_ways() -> None:
    proof = crowded(60)
    found = ways(proof, doors(proof), scenery(proof))

    (fold,) = [fold for fold in found.folds if fold.network.endswith("n9")]
    assert "breach" == fold.face
    assert not set(fold.ways) & set(found.drawn)
