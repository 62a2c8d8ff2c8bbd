"""Adds the proofs that clients of one project send at the same time: one lock, one transaction, few statements.

Input: the arrivals. Output: for each, whether it is new, or the error that it alone has.
Rules:
- Consecutive proofs that are the newest and repeat the last one, which most proofs do, are inserted by one statement a
  table, however many they are.
- Any other proof is added by `insert_proof`. Savepoints keep the error of one proof from the others.
- The result is the same as if the proofs had been added one after the other, in the order of their start.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

from ledger.archive import insert_proof, quota
from ledger.archive.insert_proof import COLUMNS, TREND_LENGTH, VERDICT_LETTERS, Arrival
from ledger.database import CONNECTION_LOST, DISK_FULL_CODES, RETRYABLE, code
from ledger.notifications import record as notifications

T = TypeVar("T")
Outcome = bool | Exception

# Errors of the whole transaction: a deadlock, which ends savepoints as well, a lost connection, a full disk.
OF_ALL: Final = RETRYABLE | CONNECTION_LOST | DISK_FULL_CODES

# Its last proof as well: what a locking read finds is what was committed when it got the lock.
SELECT_LOCKED: Final = text(
    "SELECT p.id, l.started, l.state FROM project p LEFT JOIN proof l ON l.id = p.last_proof"
    " WHERE p.name = :name FOR UPDATE"
)
SELECT_KNOWN: Final = text("SELECT digest FROM proof WHERE project_id = :project AND digest IN :some").bindparams(
    bindparam("some", expanding=True)
)
UPDATE_PROJECT: Final = text(
    "UPDATE project SET last_proof = :last, proofs = proofs + :more, trend = RIGHT(CONCAT(trend, :letters), :most)"
    " WHERE id = :project"
)


@dataclass(frozen=True, slots=True)
class _Newest:
    """The start and the state of the project's last proof; None when it has none."""

    started: datetime | None
    state: bytes | None

    def is_repeated_by(self, new: Arrival) -> bool:
        return self.started is not None and self.started <= new.started and self.state == new.document.state

    def after(self, new: Arrival) -> "_Newest":
        is_newer = self.started is None or self.started <= new.started
        return _Newest(new.started, new.document.state) if is_newer else self


def add_all(connection: Connection, name: str, take: Callable[[], Sequence[Arrival]]) -> list[Outcome]:
    """Lock the project, take the arrivals that wait by then, and add those that it does not have yet."""
    row = connection.execute(SELECT_LOCKED, {"name": name}).one_or_none()
    if row is None:
        raise LookupError(f"There is no project {name[:80]!r}.")
    arrivals = take()
    batch = _Batch(connection, row.id, _Newest(row.started, row.state), is_guarded=len(arrivals) > 1)
    digests = [new.document.digest for new in arrivals]
    known = set(connection.scalars(SELECT_KNOWN, {"project": row.id, "some": digests}))
    outcomes: dict[bytes, Outcome] = dict.fromkeys(known, False)
    unknown = {new.document.digest: new for new in arrivals if new.document.digest not in known}
    outcomes |= batch.add(sorted(unknown.values(), key=lambda new: new.started))
    # Of two clients that send the same proof, one has added it.
    added = {digest for digest, outcome in outcomes.items() if outcome is True}
    return [
        digest not in digests[:position] if digest in added else outcomes[digest]
        for position, digest in enumerate(digests)
    ]


@dataclass(slots=True)
class _Batch:
    connection: Connection
    project: int
    newest: _Newest
    is_guarded: bool
    """Whether an error of one proof must be kept from others."""

    def add(self, arrivals: Sequence[Arrival]) -> dict[bytes, Outcome]:
        """Add proofs in the order of their start, and return the outcome for each digest."""
        outcomes: dict[bytes, Outcome] = {}
        repeats: list[Arrival] = []
        for new in arrivals:
            if self.newest.is_repeated_by(new):
                repeats.append(new)
                continue
            outcomes |= self._add_repeats(repeats)
            repeats = []
            outcomes |= self._add_alone(new)
            if outcomes[new.document.digest] is True:
                self.newest = self.newest.after(new)
        return outcomes | self._add_repeats(repeats)

    def _add_repeats(self, repeats: Sequence[Arrival]) -> dict[bytes, Outcome]:
        if not repeats:
            return {}
        failed = self._guarded(lambda: insert_repeats(self.connection, self.project, repeats))
        if failed is None:
            return {new.document.digest: True for new in repeats}
        if len(repeats) == 1:
            return {repeats[0].document.digest: failed}
        return {digest: found for new in repeats for digest, found in self._add_alone(new).items()}

    def _add_alone(self, new: Arrival) -> dict[bytes, Outcome]:
        def work() -> None:
            planned = insert_proof.plan(self.connection, self.project, new)
            insert_proof.add(self.connection, self.project, new, planned)

        return {new.document.digest: self._guarded(work) or True}

    def _guarded(self, work: Callable[[], None]) -> Exception | None:
        """Do the work, or undo it and return its error; an error of the whole transaction is raised."""
        if not self.is_guarded:
            work()
            return None
        self.connection.exec_driver_sql("SAVEPOINT before_proof")  # replaces the one before
        try:
            work()
        except Exception as error:
            if isinstance(error, DBAPIError) and (error.connection_invalidated or code(error) in OF_ALL):
                raise
            self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT before_proof")
            return error
        return None


def insert_repeats(connection: Connection, project: int, repeats: Sequence[Arrival]) -> None:
    """Insert proofs that repeat the last one, in the order of their start; QuotaExceededError when one is too many."""
    for spent, number in Counter(new.quota for new in repeats if new.quota is not None).items():
        quota.spend(connection, spent, 0, repeats[-1].received, proofs=number)
    rows = [
        {**insert_proof.columns(new.document), **insert_proof.place(project, new), "repeats": True, "changes": 0}
        for new in repeats
    ]
    ids = _insert_rows(connection, "proof", COLUMNS, rows, returning=" RETURNING id")
    documents = [
        {"proof_id": number, "body": new.compressed, "size": len(new.document.body)}
        for number, new in zip(ids, repeats, strict=True)
    ]
    _insert_rows(connection, "document", ("proof_id", "body", "size"), documents)
    letters = "".join(VERDICT_LETTERS[row["word"]] for row in rows)
    connection.execute(
        UPDATE_PROJECT,
        {"last": ids[-1], "more": len(ids), "letters": letters, "most": TREND_LENGTH, "project": project},
    )
    last = repeats[-1]
    notifications.record_proof(connection, project, last.document, last.received)


def _insert_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], *, returning: str = ""
) -> list[int]:
    """Insert rows by one statement, and return the ids that the database gave them, in their order."""
    marks = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(rows))
    done = connection.exec_driver_sql(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}{returning}",  # noqa: S608 - names of the code alone
        tuple(row[column] for row in rows for column in columns),
    )
    return [row[0] for row in done] if returning else []
