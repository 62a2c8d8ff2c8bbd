"""Between two proofs a connection opens, closes, or changes otherwise, and is listed once."""

from __future__ import annotations

import pytest
from tests.unit.cloison_view.sample_documents import SAMPLE_NAMES, document, flow, small

from cloison_view.difference import ConnectionChange, difference


def one(observed: str) -> list[dict[str, object]]:
    """Return the flows of a document in which the connection from app to db is like this."""
    return [] if observed == "absent" else [flow(observed=observed)]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("shut", "open", "opened"),
        ("absent", "open", "opened"),
        ("open", "shut", "closed"),
        ("open", "absent", "closed"),
        ("unknown", "open", "changed"),
        ("open", "unknown", "changed"),
        ("shut", "unknown", "changed"),
        ("unknown", "shut", "changed"),
        ("absent", "shut", "changed"),
        ("absent", "unknown", "changed"),
        ("shut", "absent", "changed"),
        ("unknown", "absent", "changed"),
    ],
)
def test_what_happened_to_a_connection(before: str, after: str, kind: str) -> None:
    found = difference(small(*one(before)), small(*one(after)))

    assert {kind: 1} == {
        name: len(part)
        for name, part in (("opened", found.opened), ("closed", found.closed), ("changed", found.changed))
        if part
    }
    assert (before, after) == next(iter(found)).transition
    assert ("app", "db", "tcp", 3306) == next(iter(found)).connection.key


@pytest.mark.parametrize(
    "change",
    [{"intended": "tolerated"}, {"predicted": "open"}, {"judgement": "unknown"}, {"drift": True}],
)
def test_a_connection_that_stays_shut_has_changed_when_anything_said_of_it_has(change: dict[str, object]) -> None:
    found = difference(small(flow()), small(flow(**change)))

    assert (0, 0, 1) == (len(found.opened), len(found.closed), len(found.changed))


def test_an_address_more_is_no_change() -> None:
    assert 0 == len(difference(small(flow()), small(flow(), flow(vantage=1, endpoint=1, evidence="another"))))


@pytest.mark.parametrize("scene", SAMPLE_NAMES)
def test_a_proof_does_not_differ_from_itself(scene: str) -> None:
    assert 0 == len(difference(document(scene), document(scene)))


def test_what_opened_one_way_closed_the_other_way() -> None:
    there = difference(document("tolerated"), document("breach"))
    back = difference(document("breach"), document("tolerated"))

    assert there.opened
    assert [c.connection.key for c in there.opened] == [c.connection.key for c in back.closed]
    assert [c.connection.key for c in there.closed] == [c.connection.key for c in back.opened]
    assert [c.connection.key for c in there.changed] == [c.connection.key for c in back.changed]


def test_a_change_without_a_connection_is_no_change() -> None:
    with pytest.raises(ValueError, match="at least one proof"):
        _ = ConnectionChange(None, None).connection
