"""Writes the changes of a large proof with one statement a step, from a table that is filled beforehand.

Rule: the table is filled before the project is locked, in the same transaction, and emptied by the next one. Under the
lock no row is sent to the database and none of the table is deleted, so that other clients of the project wait for a
few statements alone. Rows that were left, because a process ended before it deleted them, are deleted by the next one
whose connection has the same number.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from cloison_view.connections import Key
from ledger.archive.interval_rows import COLUMNS, InconsistentIntervalsError
from ledger.archive.intervals import IntervalChange, IntervalStep

ENDS: Final = frozenset({IntervalStep.END_HERE, IntervalStep.END_EARLIER, IntervalStep.INTERRUPT})
NUMBERS: Final = 1 << 20  # of one connection, so that what one proof deletes are never the rows of the next
DELETE_LEFT: Final = text("DELETE FROM staged_interval WHERE client BETWEEN :first AND :last")
DELETE: Final = text("DELETE FROM staged_interval WHERE client = :client")
FILL: Final = text(
    "INSERT INTO staged_interval (client, door_id, ends, begins, intended, predicted, observed, judgement, drift)"
    " VALUES (:client, :connection_id, :ends, :begins, :intended, :predicted, :observed, :judgement, :drift)"
)
STATE: Final = ("intended", "predicted", "observed", "judgement", "drift")
END: Final = (
    "UPDATE staged_interval t STRAIGHT_JOIN spell s FORCE INDEX (spell_by_end) ON s.door_id = t.door_id"
    " AND s.until_proof {0} SET s.until = :now, s.until_proof = :now_proof"
    " WHERE t.client = :client AND t.ends = '{1}'"
)
# In this order: a connection may end one interval and begin another. Each step may need several statements.
STATEMENTS: Final[Mapping[IntervalStep, tuple[str, ...]]] = {
    IntervalStep.END_HERE: (END.format("IS NULL", "END_HERE"),),
    IntervalStep.END_EARLIER: (END.format("= :next_proof", "END_EARLIER"),),
    IntervalStep.INTERRUPT: (
        (
            "UPDATE staged_interval t SET t.spanning = (SELECT n.id FROM spell n WHERE n.door_id = t.door_id"
            " AND n.since <= :now AND (n.until IS NULL OR n.until > :now)"
            " ORDER BY n.since DESC, n.since_proof DESC LIMIT 1)"
            " WHERE t.client = :client AND t.ends = 'INTERRUPT'"
        ),
        (
            f"INSERT INTO spell ({COLUMNS}) SELECT s.door_id, s.intended, s.predicted, s.observed, s.judgement,"  # noqa: S608 - constants alone
            " s.drift, :next, :next_proof, s.until, s.until_proof"
            " FROM staged_interval t STRAIGHT_JOIN spell s ON s.id = t.spanning WHERE t.client = :client"
        ),
        (
            "UPDATE staged_interval t STRAIGHT_JOIN spell s ON s.id = t.spanning"
            " SET s.until = :now, s.until_proof = :now_proof WHERE t.client = :client"
        ),
    ),
    IntervalStep.BEGIN_EARLIER: (
        (
            "UPDATE staged_interval t STRAIGHT_JOIN spell s FORCE INDEX (spell_in_order) ON s.door_id = t.door_id"
            " AND s.since = :next AND s.since_proof = :next_proof SET s.since = :now, s.since_proof = :now_proof"
            " WHERE t.client = :client AND t.begins = 'BEGIN_EARLIER'"
        ),
    ),
    IntervalStep.BEGIN_HERE: (
        (
            f"INSERT INTO spell ({COLUMNS}) SELECT door_id, intended, predicted, observed, judgement, drift, :now,"  # noqa: S608 - constants alone
            " :now_proof, NULL, NULL FROM staged_interval WHERE client = :client AND begins = 'BEGIN_HERE'"
        ),
    ),
    IntervalStep.INSERT: (
        (
            f"INSERT INTO spell ({COLUMNS}) SELECT door_id, intended, predicted, observed, judgement, drift, :now,"  # noqa: S608 - constants alone
            " :now_proof, :next, :next_proof FROM staged_interval WHERE client = :client AND begins = 'INSERT'"
        ),
    ),
}


def stage(connection: Connection, found: Sequence[IntervalChange], ids: Mapping[Key, int]) -> int:
    """Lay out the changes, and return the number of their rows."""
    # As a value: with a function in VALUES the driver sends one statement a row.
    first: int = NUMBERS * (connection.scalar(text("SELECT CONNECTION_ID()")) or 0)
    client = first + secrets.randbelow(NUMBERS)
    connection.execute(DELETE_LEFT, {"first": first, "last": first + NUMBERS - 1})
    if found:
        connection.execute(FILL, [{"client": client} | _row(change, ids[change.key]) for change in found])
    return client


def drop(connection: Connection, client: int) -> None:
    """Delete the rows with this number."""
    connection.execute(DELETE, {"client": client})


def apply(connection: Connection, found: Sequence[IntervalChange], times: Mapping[str, Any]) -> None:
    """Apply the staged changes; `times` as for `interval_rows.apply`, and the number of the rows (`client`)."""
    for step, statements in STATEMENTS.items():
        expected = sum(step in change.steps for change in found)
        if not expected:
            continue
        for statement in statements:
            number = connection.execute(text(statement), times).rowcount
            if number != expected:
                raise InconsistentIntervalsError(f"{expected} connections have {number} intervals that change.")


def _row(change: IntervalChange, connection_id: int) -> dict[str, Any]:
    """Return the row of a change: at most one of its steps ends an interval, and at most one begins one."""
    ends = [step.name for step in change.steps if step in ENDS]
    begins = [step.name for step in change.steps if step not in ENDS]
    return {
        "connection_id": connection_id,
        "ends": ends[0] if ends else None,
        "begins": begins[0] if begins else None,
        **dict(zip(STATE, change.state or (None,) * len(STATE), strict=True)),
    }
