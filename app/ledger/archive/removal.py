"""Removes a proof or a project, so that nothing of it is left in lists, trends and intervals.

Rules:
- After the removal of a proof everything is as if it had never been sent
  (tests/ledger/mariadb/archive/test_removal.py compares the two).
- A project is removed in several transactions of BATCH rows, its tokens first: no transaction grows with the project,
  and a removal that was cut off is repeated.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, TextClause, bindparam, text

from ledger.archive import insert_proof as archive_insert
from ledger.archive import interval_rows, intervals
from ledger.database import transaction

BATCH: Final = 2000  # rows of one transaction
NEIGHBOURS: Final = {
    "before": "SELECT id, started, state FROM proof WHERE project_id = :project"
    " AND (started < :started OR started = :started AND id < :id) ORDER BY started DESC, id DESC LIMIT 1",
    "after": "SELECT id, started, state FROM proof WHERE project_id = :project"
    " AND (started > :started OR started = :started AND id > :id) ORDER BY started, id LIMIT 1",
}
# The index is named, because the database may read every interval instead when it has no statistics yet.
INTERVALS: Final = (
    "SELECT s.id, s.door_id, s.until_proof, CONCAT_WS(' ', s.intended, s.predicted, s.observed, s.judgement, s.drift)"
    " AS state FROM door d STRAIGHT_JOIN spell s FORCE INDEX ({0}) ON s.door_id = d.id AND {1}"
    " WHERE d.project_id = :project"
)
ENDING: Final = text(INTERVALS.format("spell_by_end", "s.until_proof = :id"))
BEGINNING: Final = text(INTERVALS.format("spell_in_order", "s.since = :started AND s.since_proof = :id"))


def _many(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("some", expanding=True))


SET_UNTIL: Final = _many("UPDATE spell SET until = :until, until_proof = :until_proof WHERE id IN :some")
SET_SINCE: Final = _many("UPDATE spell SET since = :until, since_proof = :until_proof WHERE id IN :some")
DELETE: Final = _many("DELETE FROM spell WHERE id IN :some")
JOIN_RESUMED: Final = _many(
    "UPDATE spell e STRAIGHT_JOIN spell r FORCE INDEX (spell_in_order)"
    " ON r.door_id = e.door_id AND r.since = :until AND r.since_proof = :until_proof"
    " SET e.until = r.until, e.until_proof = r.until_proof WHERE e.id IN :some"
)
# Each is repeated until no row is left; a proof's document goes with it.
PROJECT_ROWS: Final = (
    "DELETE FROM spell WHERE door_id IN (SELECT id FROM door WHERE project_id = :project) LIMIT :most",
    "DELETE FROM door WHERE project_id = :project LIMIT :most",
    "DELETE FROM document WHERE proof_id IN (SELECT id FROM proof WHERE project_id = :project) LIMIT :most",
    "DELETE FROM proof WHERE project_id = :project LIMIT :most",
)


def find_proof(connection: Connection, project: str, digest: str) -> Row[Any] | None:
    """Return start, arrival and verdict of a proof, or None."""
    return connection.execute(
        text(
            "SELECT p.started, p.received, p.word FROM proof p JOIN project o ON o.id = p.project_id"
            " WHERE o.name = :project AND p.digest = :digest"
        ),
        {"project": project, "digest": archive_insert.digest_bytes(digest)},
    ).one_or_none()


def count_proofs(connection: Connection, project: str) -> int:
    """Return the number of a project's proofs."""
    return connection.scalar(text("SELECT proofs FROM project WHERE name = :name"), {"name": project}) or 0


def remove_proof(connection: Connection, project: str, digest: str) -> None:
    """Remove a proof; LookupError when the project does not have it."""
    number = _lock_project(connection, project)
    row = connection.execute(
        text("SELECT id, started, repeats FROM proof WHERE project_id = :project AND digest = :digest"),
        {"project": number, "digest": archive_insert.digest_bytes(digest)},
    ).one_or_none()
    if row is None:
        raise LookupError(f"{project} has no proof {digest[:12]!r}.")
    place = {"id": row.id, "project": number, "started": row.started}
    after = connection.execute(text(NEIGHBOURS["after"]), place).one_or_none()
    if not row.repeats:
        _join_intervals(connection, place, after)
        if after is not None:
            _compare_next(connection, connection.execute(text(NEIGHBOURS["before"]), place).one_or_none(), after)
    connection.execute(text("DELETE FROM document WHERE proof_id = :id"), place)
    connection.execute(text("DELETE FROM proof WHERE id = :id"), place)
    archive_insert.update_project_summary(connection, number, added=-1)


def _join_intervals(connection: Connection, place: dict[str, Any], after: Row[Any] | None) -> None:
    """Move the beginnings and ends at a proof to the next one; without a next one they are undone."""
    ending, beginning = (
        {row.door_id: row for row in connection.execute(query, place)} for query in (ENDING, BEGINNING)
    )
    if after is None:
        _in_sets(connection, SET_UNTIL, ending.values(), until=None, until_proof=None)
        _in_sets(connection, DELETE, beginning.values())
        return
    next_place = {"project": place["project"], "id": after.id, "started": after.started}
    resuming = {row.door_id: row for row in connection.execute(BEGINNING, next_place)}
    at = {"until": after.started, "until_proof": after.id}
    lasting = {key: row for key, row in beginning.items() if row.until_proof != after.id}
    resumed = {key: row for key, row in ending.items() if key in resuming and resuming[key].state == row.state}
    _in_sets(connection, DELETE, [row for key, row in beginning.items() if key not in lasting])
    _in_sets(connection, SET_UNTIL, [row for key, row in ending.items() if key not in resumed], **at)
    _in_sets(connection, JOIN_RESUMED, resumed.values(), **at)
    _in_sets(connection, DELETE, [resuming[key] for key in resumed])
    _in_sets(connection, SET_SINCE, lasting.values(), **at)


def _in_sets(connection: Connection, statement: TextClause, rows: Any, **values: Any) -> None:
    for some in interval_rows.batches([row.id for row in rows]):
        connection.execute(statement, {**values, "some": some})


def _compare_next(connection: Connection, before: Row[Any] | None, after: Row[Any]) -> None:
    """Compare the next proof with the previous one, which now precedes it."""
    was = archive_insert.states(archive_insert.load(connection, before.id).connections) if before else {}
    now = archive_insert.states(archive_insert.load(connection, after.id).connections)
    repeats = before is not None and before.state == after.state
    connection.execute(
        text("UPDATE proof SET repeats = :repeats, changes = :changes WHERE id = :id"),
        {"id": after.id, "repeats": repeats, "changes": sum(1 for _ in intervals.changes(was, now))},
    )


def remove_project(engine: Engine, project: str, record: Callable[[Connection, int], None]) -> int:
    """Remove a project with everything in it, and return its number of proofs; LookupError when there is none.

    `record` writes the entry of the audit log in the last transaction, which removes the project itself.
    """

    def close(connection: Connection) -> tuple[int, int]:
        number = _lock_project(connection, project)
        connection.execute(text("DELETE FROM token WHERE project_id = :project"), {"project": number})
        return number, connection.scalar(text("SELECT proofs FROM project WHERE id = :id"), {"id": number}) or 0

    number, proofs = transaction(engine, close)
    for statement in PROJECT_ROWS:
        while transaction(engine, partial(_delete_some, statement=statement, project=number)):
            pass

    def end(connection: Connection) -> None:
        _lock_project(connection, project)
        for statement in PROJECT_ROWS:  # of a request that had begun before the tokens were deleted
            connection.execute(text(statement), {"project": number, "most": BATCH})
        connection.execute(text("DELETE FROM project WHERE id = :id"), {"id": number})
        record(connection, proofs)

    transaction(engine, end)
    return proofs


def _delete_some(connection: Connection, *, statement: str, project: int) -> bool:
    return connection.execute(text(statement), {"project": project, "most": BATCH}).rowcount == BATCH


def _lock_project(connection: Connection, project: str) -> int:
    number: int | None = connection.scalar(
        text("SELECT id FROM project WHERE name = :name FOR UPDATE"), {"name": project}
    )
    if number is None:
        raise LookupError(f"There is no project {project[:80]!r}.")
    return number
