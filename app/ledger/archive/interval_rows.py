"""Writes the changes of intervals to the database, BATCH connections with one statement.

Rule: a step finds its interval by the connection and by one end of an index, so that no other interval is read; new
intervals are inserted last, so that no step finds them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, TextClause, bindparam, text

from cloison_view.connections import Key
from ledger.archive.intervals import ConnectionState, IntervalChange, IntervalStep

T = TypeVar("T")
BATCH: Final = 1000  # connections of one statement
COLUMNS: Final = "door_id, intended, predicted, observed, judgement, drift, since, since_proof, until, until_proof"

INSERT_INTERVAL: Final = text(
    f"INSERT INTO spell ({COLUMNS}) VALUES (:connection_id, :intended, :predicted, :observed, :judgement, :drift,"  # noqa: S608 - constants alone
    " :since, :since_proof, :until, :until_proof)"
)
INSERT_CONNECTION: Final = (
    "INSERT INTO door (project_id, source, target, protocol, port)"
    " VALUES (:project, :source, :target, :protocol, :port)"
)
# Two large proofs may insert the same connection at the same time, before either has locked the project.
INSERT_MISSING: Final = text(f"{INSERT_CONNECTION} ON DUPLICATE KEY UPDATE id = id")
INSERT_ONCE: Final = text(INSERT_CONNECTION)


def _many(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("some", expanding=True))


# In this order: a connection may end one interval and begin another.
UPDATES: Final[Mapping[IntervalStep, TextClause]] = {
    IntervalStep.END_HERE: _many(
        "UPDATE spell FORCE INDEX (spell_by_end) SET until = :now, until_proof = :now_proof"
        " WHERE door_id IN :some AND until_proof IS NULL"
    ),
    IntervalStep.END_EARLIER: _many(
        "UPDATE spell FORCE INDEX (spell_by_end) SET until = :now, until_proof = :now_proof"
        " WHERE door_id IN :some AND until_proof = :next_proof"
    ),
    IntervalStep.BEGIN_EARLIER: _many(
        "UPDATE spell SET since = :now, since_proof = :now_proof"
        " WHERE door_id IN :some AND since = :next AND since_proof = :next_proof"
    ),
}
SELECT_SPANNING: Final = _many(
    "SELECT s.id FROM door d JOIN spell s ON s.id = (SELECT n.id FROM spell n WHERE n.door_id = d.id"
    " AND n.since <= :now AND (n.until IS NULL OR n.until > :now) ORDER BY n.since DESC, n.since_proof DESC LIMIT 1)"
    " WHERE d.id IN :some"
)
COPY_REMAINDER: Final = _many(
    f"INSERT INTO spell ({COLUMNS}) SELECT door_id, intended, predicted, observed, judgement, drift, :next,"  # noqa: S608 - constants alone
    " :next_proof, until, until_proof FROM spell WHERE id IN :some"
)
END_SPANNING: Final = _many("UPDATE spell SET until = :now, until_proof = :now_proof WHERE id IN :some")


KEY: Final = ("source", "target", "protocol", "port")


class InconsistentIntervalsError(RuntimeError):
    """The stored intervals do not follow from the stored proofs; `python -m ledger rebuild` derives them again."""


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Yield the items, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def connection_ids(connection: Connection, project: int, keys: Iterable[Key]) -> dict[Key, int]:
    """Return the ids of a project's connections; those that it does not have yet are inserted.

    Raises IntegrityError for two that the database takes for the same one.
    """
    wanted, ids = set(keys), _select_ids(connection, project)
    for statement in (INSERT_MISSING, INSERT_ONCE):
        if not (missing := sorted(wanted - ids.keys())):
            break
        connection.execute(statement, [{"project": project, **dict(zip(KEY, key, strict=True))} for key in missing])
        ids = _select_ids(connection, project)
    return ids


def _select_ids(connection: Connection, project: int) -> dict[Key, int]:
    rows = connection.execute(
        text("SELECT id, source, target, protocol, port FROM door WHERE project_id = :project"), {"project": project}
    )
    return {(source, target, protocol, port): number for number, source, target, protocol, port in rows}


def apply(
    connection: Connection, found: Sequence[IntervalChange], ids: Mapping[Key, int], times: Mapping[str, Any]
) -> None:
    """Apply the steps of a new proof; `times` has the start and the id of it (`now`) and of the next one (`next`)."""
    for step in (IntervalStep.END_HERE, IntervalStep.END_EARLIER, IntervalStep.INTERRUPT, IntervalStep.BEGIN_EARLIER):
        for some in batches([ids[change.key] for change in found if step in change.steps]):
            if step is IntervalStep.INTERRUPT:
                _interrupt(connection, some, times)
            else:
                _expect(connection.execute(UPDATES[step], {**times, "some": some}).rowcount, some)
    new = [
        interval_row(ids[change.key], change.state, times["now"], times["now_proof"])
        | ({} if step is IntervalStep.BEGIN_HERE else {"until": times["next"], "until_proof": times["next_proof"]})
        for change in found
        for step in change.steps
        if step in {IntervalStep.BEGIN_HERE, IntervalStep.INSERT}
    ]
    insert(connection, new)


def _interrupt(connection: Connection, some: Sequence[int], times: Mapping[str, Any]) -> None:
    intervals = connection.scalars(SELECT_SPANNING, {**times, "some": some}).all()
    _expect(len(intervals), some)
    connection.execute(COPY_REMAINDER, {**times, "some": intervals})
    connection.execute(END_SPANNING, {**times, "some": intervals})


def _expect(number: int, some: Sequence[int]) -> None:
    if number != len(some):
        raise InconsistentIntervalsError(f"{len(some)} connections have {number} intervals that this proof changes.")


def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert intervals."""
    if rows:
        connection.execute(INSERT_INTERVAL, list(rows))


def interval_row(connection_id: int, state: ConnectionState | None, since: datetime, proof: int) -> dict[str, Any]:
    """Return the row of an interval that begins with a proof and has no end."""
    if state is None:
        raise ValueError("an interval needs a state")
    intended, predicted, observed, judgement, drift = state
    return {
        "connection_id": connection_id,
        "intended": intended,
        "predicted": predicted,
        "observed": observed,
        "judgement": judgement,
        "drift": drift,
        "since": since,
        "since_proof": proof,
        "until": None,
        "until_proof": None,
    }
