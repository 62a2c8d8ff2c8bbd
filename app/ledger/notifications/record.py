"""Records events in the database, each with a delivery for every channel of its project.

Rules:
- An event and its deliveries are written in the transaction of what caused them: a proof, or the check of its age.
- The project's row is locked, and an event is unique by project, kind and cause. So no number of processes records one
  twice, and a proof that is sent again is none.
- Only the newest proof of a project is an event. One that arrives late is history.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from cloison_view import project_events
from cloison_view.project_events import Kind, Recorded
from ledger.archive import project_list
from ledger.archive.validate import Document
from ledger.database import transaction

SELECT_WATCHED: Final = text(
    "SELECT l.digest, LEAST(l.started, l.received) AS moment, p.created, w.state, w.problems, w.overdue_hours"
    " FROM project p JOIN watch w ON w.project_id = p.id LEFT JOIN proof l ON l.id = p.last_proof WHERE p.id = :project"
)
MAX_OVERDUE: Final = 100  # projects of one look; the next one finds the others
SELECT_OVERDUE: Final = (
    "SELECT p.id FROM project p JOIN watch w ON w.project_id = p.id LEFT JOIN proof l ON l.id = p.last_proof"
    " WHERE w.overdue_hours > 0 AND w.state <> 'overdue'"
    " AND COALESCE(LEAST(l.started, l.received), p.created) < :now - INTERVAL w.overdue_hours HOUR"
)
LOCK_FREE: Final = text("SELECT id FROM project WHERE id = :project FOR UPDATE SKIP LOCKED")
# Random on the server, so that all missing rows are one statement.
ADD_MISSING: Final = (
    "INSERT IGNORE INTO watch (project_id, feed_key) SELECT p.id, LOWER(HEX(RANDOM_BYTES(16))) FROM project p"
    " LEFT JOIN watch w ON w.project_id = p.id WHERE w.project_id IS NULL"
)
UPDATE_WATCH: Final = text("UPDATE watch SET state = :state, problems = :problems WHERE project_id = :project")
INSERT_EVENT: Final = text(
    "INSERT IGNORE INTO event (project_id, kind, cause, at, digest, summary, details)"
    " VALUES (:project, :kind, :cause, :at, :digest, :summary, :details)"
)
INSERT_DELIVERIES: Final = (
    "INSERT INTO delivery (event_id, channel_id, message_id, created, due)"
    " SELECT :event, id, LOWER(HEX(RANDOM_BYTES(16))), :now, :now FROM channel WHERE project_id = :project"
)


def add_missing(connection: Connection, project: int | None = None) -> None:
    """Watch one project, or every project, from now on; one that is watched already stays as it is."""
    only = "" if project is None else " AND p.id = :project"
    connection.execute(text(ADD_MISSING + only), {} if project is None else {"project": project})


def record_proof(connection: Connection, project: int, new: Document, now: datetime) -> None:
    """Record the event that a stored proof is, if it is one; the caller holds the lock of the project's row."""
    row = connection.execute(SELECT_WATCHED, {"project": project}).one_or_none()
    if row is None:
        add_missing(connection, project)
        row = connection.execute(SELECT_WATCHED, {"project": project}).one()
    if row.digest != new.digest:
        return
    before = Recorded(row.state, project_events.unpack(row.problems))
    is_overdue = project_list.is_overdue(row.moment, row.overdue_hours, now)
    word = new.proof["verdict"]["word"]
    decision = project_events.decide(before, word, new.problems, is_overdue=is_overdue)
    if decision.recorded != before:
        _update(connection, project, decision.recorded)
    if decision.kind is not None:
        add_event(
            connection,
            project,
            decision.kind,
            cause=new.digest.hex(),
            now=now,
            digest=new.digest,
            summary=project_events.summary(decision.kind, decision.gained),
            details={"verdict": word, **project_events.details(decision.gained)},
        )


def record_overdue(engine: Engine, now: datetime, *, project: int | None = None) -> int:
    """Record an event for each project without a recent proof, or for this one alone; return their number."""
    only = "" if project is None else " AND p.id = :project"
    given = {"now": now} | ({} if project is None else {"project": project})
    with engine.connect() as connection:
        numbers = list(connection.scalars(text(f"{SELECT_OVERDUE}{only} LIMIT {MAX_OVERDUE}"), given))
    return sum(transaction(engine, lambda c, number=number: _record_one_overdue(c, number, now)) for number in numbers)  # type: ignore[misc]


def add_event(  # noqa: PLR0913 - each is a column of the event
    connection: Connection,
    project: int,
    kind: Kind,
    *,
    cause: str,
    now: datetime,
    summary: str,
    digest: bytes | None = None,
    details: Mapping[str, Any] | None = None,
    channel: int | None = None,
) -> None:
    """Add an event and its deliveries, to one channel or to all of the project; once for its cause."""
    values = {"project": project, "kind": kind.value, "cause": cause, "at": now, "digest": digest, "summary": summary}
    done = connection.execute(INSERT_EVENT, {**values, "details": json.dumps(dict(details or {}))})
    if done.rowcount:
        only = "" if channel is None else " AND id = :channel"
        given = {"event": done.lastrowid, "now": now, "project": project}
        connection.execute(text(INSERT_DELIVERIES + only), given | ({} if channel is None else {"channel": channel}))


def add_test(connection: Connection, project: int, channel: int, now: datetime) -> None:
    """Add a test message for one channel."""
    cause = secrets.token_hex(16)
    add_event(
        connection, project, Kind.TEST, cause=cause, now=now, summary=project_events.summary(Kind.TEST), channel=channel
    )


def _record_one_overdue(connection: Connection, project: int, now: datetime) -> bool:
    # A project whose row is locked gets a proof at this moment, or another process checks it.
    if connection.execute(LOCK_FREE, {"project": project}).one_or_none() is None:
        return False
    row = connection.execute(SELECT_WATCHED, {"project": project}).one()
    last = row.moment or row.created
    if row.state == Kind.OVERDUE or not project_list.is_overdue(last, row.overdue_hours, now):
        return False
    _update(connection, project, Recorded(Kind.OVERDUE, project_events.unpack(row.problems)))
    summary = project_events.summary(Kind.OVERDUE, hours=int((now - last).total_seconds() // 3600))
    cause = row.digest.hex() if row.digest else "none"
    add_event(connection, project, Kind.OVERDUE, cause=cause, now=now, summary=summary, digest=row.digest)
    return True


def _update(connection: Connection, project: int, recorded: Recorded) -> None:
    values = {"state": str(recorded.state), "problems": project_events.pack(recorded.problems), "project": project}
    connection.execute(UPDATE_WATCH, values)
