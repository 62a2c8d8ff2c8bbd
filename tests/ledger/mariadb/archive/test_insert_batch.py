"""Proofs that are added by one transaction: as if one after the other, and each with its own error."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text
from tests.ledger.sample_proofs import add_project, proof

from ledger import clock as ledger_clock
from ledger.archive import insert_batch
from ledger.archive import insert_proof as archive_insert
from ledger.archive import validate as archive_validate
from ledger.archive.insert_proof import Arrival
from ledger.archive.quota import Quota, QuotaExceededError
from ledger.archive.store import Archive
from ledger.database import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine


def arrival(body: bytes, quota: Quota | None = None) -> Arrival:
    return Arrival(archive_validate.read(body), ledger_clock.now(), archive_insert.pack(body), quota)


def add(engine: Engine, name: str, arrivals: Sequence[Arrival]) -> list[insert_batch.Outcome]:
    return transaction(engine, lambda connection: insert_batch.add_all(connection, name, lambda: arrivals))


def test_a_batch_is_the_same_as_one_proof_after_the_other(engine: Engine) -> None:
    chance = random.Random(7)  # noqa: S311 - the same stories each time
    archive = Archive(engine)
    for number in range(12):
        single, batched = f"single-{number}", f"batched-{number}"
        for name in (single, batched):
            add_project(engine, name)
        sent = [proof(minute, app=chance.choice(["open", "open", "open", "shut"])) for minute in range(12)]
        chance.shuffle(sent)
        for body in sent:
            archive.save(single, body, other_name=True)
        for start in (0, 1, 5):
            add(engine, batched, [arrival(body) for body in sent[start : {0: 1, 1: 5, 5: 12}[start]]])

        first, second = (archive.projects(frozenset({name}))[0] for name in (single, batched))
        assert common(first) == common(second)
        assert archive.intervals(single) == archive.intervals(batched)
        assert [(one.digest, one.repeats, one.changes) for one in archive.proofs(single).records] == [
            (one.digest, one.repeats, one.changes) for one in archive.proofs(batched).records
        ]
        assert sent == [archive.body(batched, archive_validate.read(body).digest.hex()) for body in sent]


def common(record: object) -> tuple[object, ...]:
    """Return what two projects with the same proofs have in common."""
    last, changed = record.last, record.changed  # type: ignore[attr-defined]
    return record.proofs, record.trend, last.digest, changed.digest  # type: ignore[attr-defined]


def test_a_proof_that_several_clients_send_is_new_once(engine: Engine) -> None:
    add_project(engine, "shop")
    sent = [proof(minute, app="open") for minute in (0, 1, 1, 0, 2)]

    assert [True, True, False, False, True] == add(engine, "shop", [arrival(body) for body in sent])
    assert [False] == add(engine, "shop", [arrival(sent[0])])


def test_a_refused_proof_refuses_no_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    add_project(engine, "shop")
    bodies = [proof(minute, app=state) for minute, state in enumerate(["open", "open", "shut", "shut", "open"])]
    arrivals = [arrival(body) for body in bodies]
    insert = archive_insert.place
    bad = arrivals[3].document.digest

    def refuse(project: int, new: Arrival) -> dict[str, object]:
        return insert(project, new) | ({"received": "never"} if new.document.digest == bad else {})

    monkeypatch.setattr(archive_insert, "place", refuse)
    outcomes = add(engine, "shop", arrivals)

    assert [True, True, True, True] == outcomes[:3] + outcomes[4:]
    assert "received" in str(outcomes[3])
    assert 4 == len(Archive(engine).proofs("shop").records)


def test_of_a_spent_quota_only_what_is_too_much_is_refused(engine: Engine) -> None:
    add_project(engine, "shop")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO token (id, project_id, name, hash, may_read, may_write, created)"
                " SELECT 1, id, 'one', REPEAT('x', 32), 1, 1, NOW() FROM project"
            )
        )
    quota = Quota(1, proofs=4, changes=100)
    add(engine, "shop", [arrival(proof(0, app="open"), quota)])
    own = [arrival(proof(minute, app="open"), quota) for minute in range(1, 6)]
    outcomes = add(engine, "shop", [*own, arrival(proof(9, app="open"))])

    assert [True, True, True] == outcomes[:3]
    assert [QuotaExceededError] * 2 == [type(outcome) for outcome in outcomes[3:5]]
    assert outcomes[5] is True
    with engine.connect() as connection:
        assert 4 == connection.scalar(text("SELECT proofs FROM token_usage"))


def test_the_statements_of_repeats_do_not_grow_with_their_number(engine: Engine) -> None:
    add_project(engine, "shop")
    add(engine, "shop", [arrival(proof(0, app="open"))])
    sent: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _note(_connection: Connection, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(statement)

    def statements(minutes: range) -> int:
        sent.clear()
        add(engine, "shop", [arrival(proof(minute, app="open")) for minute in minutes])
        return len(sent)

    assert statements(range(1, 3)) == statements(range(3, 23)) <= 9


def test_a_project_that_is_missing_is_told_before_anything_is_taken(engine: Engine) -> None:
    with pytest.raises(LookupError, match="no project 'nowhere'"):
        add(engine, "nowhere", [arrival(proof(0, app="open"))])
