"""Retention: deletes old proofs that repeat the one before them.

Rules:
- A proof that changed something is kept for ever, and so are the first and the last proof of a project.
- Every repeat is kept for `keep_all_days`, then the last one of each day until `keep_daily_days`, then none.
- The intervals of connections do not change: no interval begins or ends with a repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, text

from ledger.archive import insert_proof as archive_insert
from ledger.database import transaction

BATCH: Final = 1000  # proofs of one transaction, so that a client that sends a proof does not wait long

SELECT_EXPIRED: Final = text(
    "SELECT id FROM (SELECT id, repeats, started, ROW_NUMBER() OVER (PARTITION BY DATE(started), repeats"
    " ORDER BY started DESC, id DESC) AS place FROM proof WHERE project_id = :project AND started < :all_since) old"
    " WHERE repeats = 1 AND (place > 1 OR started < :daily_since)"
)
# Checked again under the project's lock: a proof that arrived late may have turned a repeat into a change.
SELECT_STILL_EXPIRED: Final = text(
    "SELECT id FROM proof WHERE id IN :some AND repeats = 1"
    " AND id <> (SELECT last_proof FROM project WHERE id = :project)"
).bindparams(bindparam("some", expanding=True))

# One statement for all: while they run, the project is locked.
DELETE_DOCUMENTS: Final = text("DELETE FROM document WHERE proof_id IN :some").bindparams(
    bindparam("some", expanding=True)
)
DELETE_PROOFS: Final = text("DELETE FROM proof WHERE id IN :some").bindparams(bindparam("some", expanding=True))


@dataclass(frozen=True, slots=True)
class RetentionResult:
    """The result for one project: numbers of proofs."""

    project: str
    removed: int
    remaining: int


def apply_retention(engine: Engine, at: datetime) -> list[RetentionResult]:
    """Delete the expired repeats of every project by its settings; ages are counted from `at`."""
    with engine.connect() as connection:
        projects = connection.execute(
            text("SELECT id, name, keep_all_days, keep_daily_days FROM project ORDER BY name")
        ).all()
    found = []
    for project in projects:
        days = {
            "all_since": at - timedelta(days=project.keep_all_days),
            "daily_since": at - timedelta(days=project.keep_daily_days),
        }
        with engine.connect() as connection:
            expired = connection.scalars(SELECT_EXPIRED, {"project": project.id, **days}).all()
        removed = sum(
            transaction(engine, partial(_delete_expired, project=project.id, some=expired[start : start + BATCH]))
            for start in range(0, len(expired), BATCH)
        )
        with engine.connect() as connection:
            remaining = connection.scalar(text("SELECT proofs FROM project WHERE id = :id"), {"id": project.id})
        found.append(RetentionResult(project.name, removed, remaining or 0))
    return found


def set_retention(engine: Engine, project: str, *, all_days: int, daily_days: int) -> None:
    """Set how long a project's repeats are kept, in days; LookupError when there is no such project."""
    if not 0 <= all_days <= daily_days <= 36500:  # noqa: PLR2004 - a hundred years
        raise ValueError("--all must be 0 or more days, and --daily as many or more, at most 36500.")

    def work(connection: Connection) -> None:
        if connection.scalar(text("SELECT id FROM project WHERE name = :name FOR UPDATE"), {"name": project}) is None:
            raise LookupError(f"There is no project {project[:80]!r}.")
        connection.execute(
            text("UPDATE project SET keep_all_days = :all_days, keep_daily_days = :daily_days WHERE name = :name"),
            {"all_days": all_days, "daily_days": daily_days, "name": project},
        )

    transaction(engine, work)


def _delete_expired(connection: Connection, *, project: int, some: Sequence[int]) -> int:
    connection.execute(text("SELECT id FROM project WHERE id = :id FOR UPDATE"), {"id": project})
    expired = list(connection.scalars(SELECT_STILL_EXPIRED, {"some": list(some), "project": project}))
    if expired:
        for delete in (DELETE_DOCUMENTS, DELETE_PROOFS):
            connection.execute(delete, {"some": expired})
        archive_insert.update_project_summary(connection, project, added=-len(expired))
    return len(expired)
