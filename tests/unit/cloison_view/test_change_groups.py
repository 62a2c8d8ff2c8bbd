"""The worst news about two proofs stands first, and every change is told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document

from cloison_view.change_groups import change_groups
from cloison_view.connections import ProofConnection
from cloison_view.difference import compare_connections, difference

HOLDS = ProofConnection("app", "db", "tcp", 1, "shut", "shut", "shut", "holds", drift=False, flows=())
OPEN = replace(HOLDS, intended="optional", observed="open")
BREACH = replace(HOLDS, observed="open", judgement="breach")
TOLERATED = replace(BREACH, intended="tolerated", judgement="tolerated")
UNKNOWN = replace(HOLDS, observed="unknown", judgement="unknown")
BROKEN = replace(HOLDS, intended="open", judgement="broken")
UNJUDGED = replace(HOLDS, intended="unjudged", judgement="unjudged")


def pairs() -> Iterator[tuple[ProofConnection | None, ProofConnection | None, str]]:
    yield TOLERATED, BREACH, "Became a breach"
    yield HOLDS, BREACH, "Became a breach"
    yield None, BREACH, "Became a breach"
    yield UNKNOWN, BREACH, "Became a breach"
    yield OPEN, BROKEN, "Became broken"
    yield HOLDS, UNKNOWN, "Became unknown"
    yield HOLDS, OPEN, "Opened"
    yield BREACH, HOLDS, "Needs no action any more"
    yield UNKNOWN, HOLDS, "Needs no action any more"
    yield BREACH, None, "Needs no action any more"
    yield OPEN, HOLDS, "Closed"
    yield HOLDS, UNJUDGED, "Otherwise changed"


@pytest.mark.parametrize(("old", "new", "title"), [*pairs()])
def test_a_change_is_called_what_it_means(old: ProofConnection | None, new: ProofConnection | None, title: str) -> None:
    found = change_groups(compare_connections((old,) if old else (), (new,) if new else ()))

    assert [(title, 1)] == [(group.title, len(group.changes)) for group in found]


def test_the_worst_comes_first_and_needs_action() -> None:
    found = change_groups(difference(document("tolerated"), document("breach")))

    assert "Became a breach" == found[0].title
    assert found[0].needs_action
    assert not found[-1].needs_action


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_every_change_is_in_one_group(scene: str) -> None:
    changes = difference(document("tolerated"), document(scene))

    assert len(changes) == sum(len(group.changes) for group in change_groups(changes))
