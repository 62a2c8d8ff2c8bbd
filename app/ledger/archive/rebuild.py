"""Derives again what the database keeps of a project's proofs besides their bytes: rows, intervals, list columns.

Rule: documents and their times of arrival are the evidence; everything else follows from them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from cloison_view.connections import Key
from ledger.archive import insert_proof as archive_insert
from ledger.archive import interval_rows, intervals
from ledger.archive.intervals import ConnectionState
from ledger.database import transaction

UPDATE_PROOF: Final = text(
    "UPDATE proof SET started = :started, word = :word, exit_code = :exit_code, duration_ms = :duration_ms,"
    " tool = :tool, engine = :engine, machine = :machine, compose_project = :compose_project, totals = :totals,"
    " state = :state, repeats = :repeats, changes = :changes WHERE id = :id"
)
DELETE_INTERVALS: Final = "DELETE s FROM spell s JOIN door d ON d.id = s.door_id WHERE d.project_id = :project"
DELETE_CONNECTIONS: Final = "DELETE FROM door WHERE project_id = :project"


@dataclass(slots=True)
class _Replay:
    """The proofs of a project so far, in their order."""

    connection: Connection
    project: int
    state: bytes | None = None
    states: dict[Key, ConnectionState] = field(default_factory=dict)
    open: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """The interval without an end of each connection."""
    ended: list[dict[str, Any]] = field(default_factory=list)
    ids: dict[Key, int] = field(default_factory=dict)

    def add(self, proof: int, received: datetime, compressed: bytes) -> None:
        """Derive the row of the next proof, and the intervals that end with it."""
        document = archive_insert.trusted(compressed)
        started = min(document.started, received)
        repeats = document.state == self.state
        now = self.states if repeats else archive_insert.states(document.connections)
        changed = [] if repeats else list(intervals.changes(self.states, now))
        if not self.ids.keys() >= now.keys():
            self.ids = interval_rows.connection_ids(self.connection, self.project, now)
        for change in changed:
            if ending := self.open.pop(change.key, None):
                self.ended.append(ending | {"until": started, "until_proof": proof})
            if change.state is not None:
                self.open[change.key] = interval_rows.interval_row(self.ids[change.key], change.state, started, proof)
        row = {"id": proof, "started": started, "repeats": repeats, "changes": len(changed)}
        self.connection.execute(UPDATE_PROOF, archive_insert.columns(document) | row)
        self.state, self.states = document.state, now
        if len(self.ended) > interval_rows.BATCH:
            self.write_ended()

    def write_ended(self) -> None:
        """Insert the intervals that have ended."""
        interval_rows.insert(self.connection, self.ended)
        self.ended.clear()


def rebuild(connection: Connection, project: int) -> None:
    """Derive everything of a project again; the project is locked."""
    for statement in (DELETE_INTERVALS, DELETE_CONNECTIONS):
        connection.execute(text(statement), {"project": project})
    replay = _Replay(connection, project)
    count = 0
    for proof, received in _in_order(connection, project):
        body = connection.scalar(text("SELECT body FROM document WHERE proof_id = :id"), {"id": proof})
        replay.add(proof, received, body)
        count += 1
    replay.write_ended()
    for some in interval_rows.batches(list(replay.open.values())):
        interval_rows.insert(connection, some)
    connection.execute(
        text("UPDATE project SET proofs = :count, stale = 0 WHERE id = :id"), {"count": count, "id": project}
    )
    archive_insert.update_project_summary(connection, project, added=0)


def _in_order(connection: Connection, project: int) -> Iterator[tuple[int, datetime]]:
    """Yield id and arrival of each proof in the order of their places, which a wrong row may have wrong."""
    rows = connection.execute(
        text("SELECT id, received FROM proof WHERE project_id = :project ORDER BY started, id"), {"project": project}
    )
    yield from [(row.id, row.received) for row in rows]


def rebuild_stale(engine: Engine) -> list[str]:
    """Rebuild every project that a migration has marked, and return their names."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, name FROM project WHERE stale = 1 ORDER BY name")).all()
    for row in rows:
        transaction(engine, partial(_rebuild_locked, project=row.id))
    return [row.name for row in rows]


def rebuild_named(engine: Engine, name: str | None) -> list[str]:
    """Rebuild one project, or all for None, and return their names; LookupError when there is none of this name."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, name FROM project ORDER BY name")).all()
    chosen = [row for row in rows if name in {None, row.name}]
    if name is not None and not chosen:
        raise LookupError(f"There is no project {name[:80]!r}.")
    for row in chosen:
        transaction(engine, partial(_rebuild_locked, project=row.id))
    return [row.name for row in chosen]


def _rebuild_locked(connection: Connection, *, project: int) -> None:
    connection.execute(text("SELECT id FROM project WHERE id = :id FOR UPDATE"), {"id": project})
    rebuild(connection, project)
