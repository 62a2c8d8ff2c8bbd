"""The place of a proof among the others: by the earlier of its start and its arrival."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.ledger import sample_proofs
from tests.ledger.sample_proofs import CLOSED_PORT, OPEN, body, document

from ledger import clock as ledger_clock
from ledger.archive import rebuild
from ledger.archive.store import Archive
from ledger.archive.validate import FutureProofError, OtherProjectError
from ledger.migrate import migrate

if TYPE_CHECKING:
    from sqlalchemy import Engine

NOW = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - as the database stores times


@pytest.fixture
def archive(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(ledger_clock, "now", lambda: NOW)
    sample_proofs.add_project(engine, "shop")
    return Archive(engine)


def proof_at(moment: datetime, state: str, name: str = "shop") -> bytes:
    found = document({("app", "db", 3306): OPEN if state == "open" else CLOSED_PORT})
    found["started"] = f"{moment.isoformat(timespec='milliseconds')}Z"
    found["project"]["name"] = name
    return body(found)


@pytest.mark.parametrize("ahead", [timedelta(minutes=5, milliseconds=1), timedelta(days=1), timedelta(days=365 * 7000)])
def test_a_proof_from_the_future_is_refused(archive: Archive, ahead: timedelta) -> None:
    with pytest.raises(FutureProofError, match="is ahead of the ledger's clock, which says 2026-03-01T12:00:00Z"):
        archive.save("shop", proof_at(NOW + ahead, "shut"))

    assert () == archive.proofs("shop").records


def test_a_clock_that_is_a_little_ahead_makes_no_proof_the_last_one(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = archive.save("shop", proof_at(NOW + timedelta(minutes=5), "shut"))
    monkeypatch.setattr(ledger_clock, "now", lambda: NOW + timedelta(minutes=2))
    late = archive.save("shop", proof_at(NOW + timedelta(minutes=1), "open"))

    (record,) = archive.projects(None)
    assert record.last is not None
    assert (late.digest, "breached") == (record.last.digest, record.last.word)
    assert ("proven", "breached") == record.trend
    assert [late.digest, early.digest] == [found.digest for found in archive.proofs("shop").records]
    found = archive.badge(record.badge_key)
    assert found is not None
    assert found[1] == record.last
    assert [("shut", NOW, NOW + timedelta(minutes=1)), ("open", NOW + timedelta(minutes=1), None)] == [
        (interval.observed, interval.since, interval.until) for interval in archive.intervals("shop")
    ]
    assert (early.digest, None) == archive.adjacent_proofs("shop", late.digest)


def test_a_proof_of_another_project_is_refused_unless_it_is_meant(archive: Archive) -> None:
    with pytest.raises(OtherProjectError, match="Compose project 'blog', and the token is one of 'shop'"):
        archive.save("shop", proof_at(NOW, "shut", "blog"))
    archive.save("shop", proof_at(NOW, "shut", "blog"), other_name=True)

    assert ["blog"] == [record.compose_project for record in archive.proofs("shop").records]


def test_a_proof_that_an_older_version_placed_in_the_future_gets_its_place(archive: Archive, engine: Engine) -> None:
    for minute, state in enumerate(("shut", "open", "shut")):
        archive.save("shop", proof_at(NOW + timedelta(minutes=minute - 3), state))
    expected = archive.projects(None), archive.proofs("shop"), archive.intervals("shop")
    with engine.begin() as connection:
        connection.execute(text("UPDATE project SET stale = 1, trend = 'p', last_proof = NULL, proofs = 9"))
        connection.execute(text("UPDATE proof SET repeats = 1, changes = 7, word = 'proven', compose_project = ''"))
        connection.execute(text("UPDATE spell SET observed = 'unknown'"))
    migrate(engine)

    assert expected == (archive.projects(None), archive.proofs("shop"), archive.intervals("shop"))
    assert [] == rebuild.rebuild_stale(engine)


def test_a_rebuild_changes_nothing_that_is_right(archive: Archive, engine: Engine) -> None:
    for minute, state in enumerate(("shut", "open", "open", "shut", "open")):
        archive.save("shop", proof_at(NOW + timedelta(minutes=minute - 9), state))
    expected = archive.projects(None), archive.proofs("shop"), archive.intervals("shop")

    assert ["shop"] == rebuild.rebuild_named(engine, None)
    assert ["shop"] == rebuild.rebuild_named(engine, "shop")
    assert expected == (archive.projects(None), archive.proofs("shop"), archive.intervals("shop"))
    with pytest.raises(LookupError, match="nobody"):
        rebuild.rebuild_named(engine, "nobody")
