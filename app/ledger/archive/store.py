"""The archive: one method for each query of the pages and the API.

Rules:
- A project is identified by its name; LookupError when there is none of this name.
- Proofs of a project are ordered by their start, not by their arrival.
- Times are UTC without a zone, as the database stores them.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, RowMapping, text

from cloison_view.connections import Key
from ledger import clock as ledger_clock
from ledger.archive import insert_batch, interval_rows, staged_intervals
from ledger.archive import insert_proof as archive_insert
from ledger.archive import validate as archive_validate
from ledger.archive.group_commit import GroupCommit
from ledger.archive.insert_proof import Arrival, Plan
from ledger.archive.interval_filters import IntervalFilter
from ledger.archive.quota import Quota
from ledger.archive.records import Interval, ProjectRecord, ProofPage, ProofRecord, StoredProof
from ledger.database import reader, transaction

VERDICTS: Final = {letter: word for word, letter in archive_insert.VERDICT_LETTERS.items()}
LARGE_FLOWS: Final = 2000  # of a proof that is planned before the project is locked
PLANS: Final = 3  # tries until a plan is made under the lock
MAX_ROWS: Final = 500  # rows of one response
PROOF_COLUMNS: Final = (
    "{0}.id, {0}.digest, {0}.word, {0}.exit_code, {0}.started, {0}.received, {0}.duration_ms, {0}.tool, {0}.engine,"
    " {0}.machine, {0}.compose_project, {0}.totals, {0}.repeats, {0}.changes"
)
PROJECT_COLUMNS: Final = "p.name, p.badge_key, p.proofs, p.trend"
SELECT_PROJECT: Final = "SELECT id FROM project WHERE name = :name"
SELECT_PROJECT_LOCKED: Final = f"{SELECT_PROJECT} FOR UPDATE"
SELECT_INTERVALS: Final = (
    "SELECT d.source, d.target, d.protocol, d.port, s.intended, s.predicted, s.observed, s.judgement, s.drift,"
    " s.since, b.digest AS since_digest, s.until, e.digest AS until_digest"
    " FROM door d JOIN spell s ON s.door_id = d.id"
    " LEFT JOIN proof b ON b.id = s.since_proof LEFT JOIN proof e ON e.id = s.until_proof"
)


class Archive:
    """The proofs of all projects, in MariaDB."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = reader(engine)
        self._group: GroupCommit[Arrival, bool] = GroupCommit(self._add_batch)

    def save(self, project: str, body: bytes, *, other_name: bool = False, quota: Quota | None = None) -> StoredProof:
        """Store a proof, committed when this returns; InvalidProofError when it is not a valid proof of the project.

        With `other_name` the document may give another name to its project; QuotaExceededError with a spent `quota`.
        """
        document = archive_validate.read(body)
        received = ledger_clock.now()
        archive_validate.check_start(document, received)
        if not other_name:
            archive_validate.check_project(document, project)
        new = Arrival(document, received, archive_insert.pack(body), quota)
        _ = document.state, document.problems  # computed here, because the project will be locked
        return StoredProof(document.digest.hex(), self._add(project, new))

    def _add(self, project: str, new: Arrival) -> bool:
        """Add a proof, and return whether it is new."""
        if len(new.document.proof["flows"]) >= LARGE_FLOWS:
            for _ in range(PLANS):
                ahead = self._plan_ahead(project, new)
                if ahead is None:
                    return False
                is_new = self._add_staged(project, new, ahead)
                if is_new is not None:
                    return is_new
            return self._add_batch(project, lambda: [new])[0] is True
        return self._group.submit(project, new)

    def _add_batch(self, project: str, take: Callable[[], Sequence[Arrival]]) -> list[bool | Exception]:
        """Add what `take` returns, and return for each proof whether it is new, or its error."""
        return transaction(self._engine, partial(insert_batch.add_all, name=project, take=take))

    def _add_staged(self, project: str, new: Arrival, ahead: "_Ahead") -> bool | None:
        """Add a proof as planned and return whether it is new; None when the plan is out of date."""
        is_new, client = transaction(self._engine, partial(_add_planned, project=project, new=new, ahead=ahead))
        transaction(self._engine, partial(staged_intervals.drop, client=client))
        return is_new

    def _plan_ahead(self, project: str, new: Arrival) -> "_Ahead | None":
        """Return what a large proof changes, with its connections inserted; None when the project has the proof."""
        with self._reader.connect() as connection:
            number = _project_id(connection, project)
            if _proof_id(connection, number, new.document.digest) is not None:
                return None
            planned = archive_insert.plan(connection, number, new)
        keys = [change.key for change in planned.changes]
        ids = transaction(self._engine, lambda connection: interval_rows.connection_ids(connection, number, keys))
        return _Ahead(planned, ids)

    def projects(self, names: frozenset[str] | None) -> list[ProjectRecord]:
        """Return the projects with these names, or all for None, sorted by name."""
        if names is not None and not names:
            return []
        some = "" if names is None else f"WHERE p.name IN ({', '.join(f':n{i}' for i in range(len(names)))})"
        values = {f"n{i}": name for i, name in enumerate(sorted(names or ()))}
        query = text(
            f"SELECT {PROJECT_COLUMNS}, {PROOF_COLUMNS.format('l')}, {PROOF_COLUMNS.format('c')} FROM project p"  # noqa: S608
            f" LEFT JOIN proof l ON l.id = p.last_proof LEFT JOIN proof c ON c.id = p.changed_proof {some}"
            " ORDER BY p.name"
        )
        with self._reader.connect() as connection:
            return [_project_record(row) for row in connection.execute(query, values)]

    def proofs(
        self, project: str, *, before: str | None = None, limit: int = 50, only_changes: bool = False
    ) -> ProofPage:
        """Return a page of a project's proofs, newest first; ValueError for an invalid cursor."""
        limit = max(1, min(limit, MAX_ROWS))
        where, values = _cursor_condition(before)
        if only_changes:
            where += " AND p.repeats = 0"
        with self._reader.connect() as connection:
            values |= {"project": _project_id(connection, project), "most": limit + 1}
            rows = connection.execute(
                text(
                    f"SELECT {PROOF_COLUMNS.format('p')} FROM proof p WHERE p.project_id = :project {where}"  # noqa: S608
                    " ORDER BY p.started DESC, p.id DESC LIMIT :most"
                ),
                values,
            ).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return ProofPage(tuple(_proof_record(row) for row in rows[:limit]), None if last is None else _cursor(last))

    def record(self, project: str, digest: str) -> ProofRecord | None:
        """Return the record of a proof, or None."""
        with self._reader.connect() as connection:
            number = _proof_id(connection, _project_id(connection, project), archive_insert.digest_bytes(digest))
            return None if number is None else _records_by_id(connection, {number})[number]

    def body(self, project: str, digest: str) -> bytes | None:
        """Return the bytes of a proof as they were sent, or None."""
        with self._reader.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT d.body FROM proof p JOIN document d ON d.proof_id = p.id"
                    " WHERE p.project_id = :project AND p.digest = :digest"
                ),
                {"project": _project_id(connection, project), "digest": archive_insert.digest_bytes(digest)},
            ).one_or_none()
        return None if row is None else archive_insert.unpack(row.body)

    def adjacent_proofs(self, project: str, digest: str) -> tuple[str | None, str | None]:
        """Return the digests of the previous and the next proof, or None."""
        with self._reader.connect() as connection:
            number = _project_id(connection, project)
            row = connection.execute(
                text("SELECT id, started FROM proof WHERE project_id = :project AND digest = :digest"),
                {"project": number, "digest": archive_insert.digest_bytes(digest)},
            ).one_or_none()
            if row is None:
                return None, None
            place = {"project": number, "started": row.started, "id": row.id}
            return tuple(  # type: ignore[return-value]  # two queries, two digests
                found if found is None else found.hex()
                for found in (connection.scalar(text(query), place) for query in (BEFORE, AFTER))
            )

    def intervals(  # noqa: PLR0913 - a filter a column
        self,
        project: str,
        *,
        source: str | None = None,
        target: str | None = None,
        protocol: str | None = None,
        port: int | None = None,
        observed: str | None = None,
        at: datetime | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        changed: bool = False,
        offset: int = 0,
        limit: int = MAX_ROWS,
    ) -> list[Interval]:
        """Return intervals of connections, ordered by connection and time.

        With `at` only those at that time, with `begin` and `end` those that overlap the range, with `changed` those of
        connections that changed in it.
        """
        given = {"source": source, "target": target, "protocol": protocol, "port": port, "observed": observed}
        where, wanted = IntervalFilter(given, at, begin, end, changed).condition()
        with self._reader.connect() as connection:
            wanted |= {
                "project": _project_id(connection, project),
                "most": max(1, min(limit, MAX_ROWS)),
                "skip": offset,
            }
            rows = connection.execute(
                text(
                    f"{SELECT_INTERVALS} WHERE d.project_id = :project{where}"
                    " ORDER BY d.target, d.port, d.protocol, d.source, s.since, s.since_proof LIMIT :most OFFSET :skip"
                ),
                wanted,
            ).mappings()
            return [_interval(row) for row in rows]

    def digests(self, project: str, prefix: str) -> list[str]:
        """Return the digests of at most two proofs that begin with these hexadecimal digits."""
        if not re.fullmatch(r"[0-9a-f]{1,64}", prefix):
            return []
        first, last = bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))
        with self._reader.connect() as connection:
            found = connection.scalars(
                text(
                    "SELECT digest FROM proof WHERE project_id = :project AND digest BETWEEN :first AND :last LIMIT 2"
                ),
                {"project": _project_id(connection, project), "first": first, "last": last},
            )
            return [digest.hex() for digest in found]

    def badge(self, key: str) -> tuple[str, ProofRecord | None] | None:
        """Return the name and the last proof of the project with this badge key, or None."""
        with self._reader.connect() as connection:
            row = connection.execute(
                text("SELECT name, last_proof FROM project WHERE badge_key = :key"), {"key": key}
            ).one_or_none()
            if row is None:
                return None
            records = _records_by_id(connection, {row.last_proof} - {None})
        return row.name, records.get(row.last_proof)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What was found out about a large proof before the project is locked."""

    planned: Plan
    ids: Mapping[Key, int]


def _add_planned(connection: Connection, *, project: str, new: Arrival, ahead: _Ahead) -> tuple[bool | None, int]:
    """Add a proof as planned; return whether it is new, None for a plan out of date, and the number of its rows."""
    client = staged_intervals.stage(connection, ahead.planned.changes, ahead.ids)
    number = _project_id(connection, project, lock=True)
    is_new: bool | None = _proof_id(connection, number, new.document.digest) is None
    if is_new and not archive_insert.is_current(connection, number, new, ahead.planned):
        is_new = None
    if is_new:
        archive_insert.add(connection, number, new, replace(ahead.planned, staged=client))
    return is_new, client


BEFORE: Final = (
    "SELECT digest FROM proof WHERE project_id = :project AND (started < :started OR started = :started AND id < :id)"
    " ORDER BY started DESC, id DESC LIMIT 1"
)
AFTER: Final = (
    "SELECT digest FROM proof WHERE project_id = :project AND (started > :started OR started = :started AND id > :id)"
    " ORDER BY started, id LIMIT 1"
)


def _project_id(connection: Connection, project: str, *, lock: bool = False) -> int:
    number: int | None = connection.scalar(text(SELECT_PROJECT_LOCKED if lock else SELECT_PROJECT), {"name": project})
    if number is None:
        raise LookupError(f"There is no project {project[:80]!r}.")
    return number


def _proof_id(connection: Connection, project: int, digest: bytes) -> int | None:
    found: int | None = connection.scalar(
        text("SELECT id FROM proof WHERE project_id = :project AND digest = :digest"),
        {"project": project, "digest": digest},
    )
    return found


def _cursor_condition(cursor: str | None) -> tuple[str, dict[str, Any]]:
    if cursor is None:
        return "", {}
    found = re.fullmatch(r"(\d{1,14})-(\d{1,18})", cursor, re.ASCII)
    if found is None:
        raise ValueError("before: not a valid cursor; use the value of `next`.")
    started = datetime.fromtimestamp(int(found[1]) // 1000, UTC).replace(
        tzinfo=None, microsecond=int(found[1]) % 1000 * 1000
    )
    return (
        " AND (p.started < :before OR p.started = :before AND p.id < :before_id)",
        {"before": started, "before_id": int(found[2])},
    )


def _cursor(row: Row[Any]) -> str:
    started = row.started.replace(tzinfo=UTC)
    return f"{int(started.timestamp()) * 1000 + started.microsecond // 1000}-{row.id}"


def _records_by_id(connection: Connection, numbers: set[Any]) -> dict[int, ProofRecord]:
    if not numbers:
        return {}
    names = {f"i{position}": number for position, number in enumerate(sorted(numbers))}
    query = f"SELECT {PROOF_COLUMNS.format('p')} FROM proof p WHERE p.id IN ({', '.join(f':{name}' for name in names)})"  # noqa: S608
    return {row.id: _proof_record(row) for row in connection.execute(text(query), names)}


def _project_record(row: Sequence[Any]) -> ProjectRecord:
    """Return a project from PROJECT_COLUMNS, and PROOF_COLUMNS of its last and of its changed proof."""
    (name, badge_key, proofs, trend), records = row[:4], row[4:]
    last, changed = records[: len(records) // 2], records[len(records) // 2 :]
    return ProjectRecord(
        name,
        badge_key,
        proofs,
        None if last[0] is None else _proof_record(last),
        None if changed[0] is None else _proof_record(changed),
        tuple(VERDICTS[letter] for letter in trend),
    )


def _proof_record(row: Sequence[Any]) -> ProofRecord:
    """Return a proof from PROOF_COLUMNS."""
    digest, plain, (totals, repeats, changes) = row[1], row[2:11], row[11:]
    return ProofRecord(*(digest.hex(), *plain, json.loads(totals), bool(repeats), changes))


def _interval(row: RowMapping) -> Interval:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    for name in ("since_digest", "until_digest"):
        values[name] = None if values[name] is None else values[name].hex()
    return Interval(**{**values, "drift": bool(values["drift"])})
