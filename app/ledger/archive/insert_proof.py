"""Adds a proof to a project: the document, its row, and the changed intervals of connections.

Rules:
- One transaction, with the project's row locked, so that proofs of one project are added one after the other.
- What a large proof changes is computed before the lock is taken, and used only if the adjacent proofs are still the
  same: other clients of the project wait for the statements alone.
- A proof has its place by the earlier of its start and its arrival: no clock that is ahead makes a proof the last one.
"""

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from cloison_view.connections import Key, ProofConnection
from ledger.archive import interval_rows, intervals, staged_intervals
from ledger.archive import quota as archive_quota
from ledger.archive import validate as archive_validate
from ledger.archive.intervals import ConnectionState, IntervalChange, StatesByKey
from ledger.archive.quota import Quota
from ledger.archive.validate import Document
from ledger.notifications import record as notifications

TREND_LENGTH: Final = 30  # proofs
COMPRESSION_LEVEL: Final = 3  # of zlib: half the time of the default level, and 5 % more bytes
VERDICT_LETTERS: Final = {"proven": "p", "drawn": "d", "breached": "b", "unproven": "u"}

SELECT_ADJACENT: Final = {
    "before": "SELECT id, started, state FROM proof WHERE project_id = :project AND started <= :started"
    " ORDER BY started DESC, id DESC LIMIT 1",
    "after": "SELECT id, started, state FROM proof WHERE project_id = :project AND started > :started"
    " ORDER BY started, id LIMIT 1",
}
COLUMNS: Final = (
    "project_id",
    "digest",
    "word",
    "exit_code",
    "started",
    "received",
    "duration_ms",
    "tool",
    "engine",
    "machine",
    "compose_project",
    "totals",
    "state",
    "repeats",
    "changes",
)
INSERT_PROOF: Final = text(
    f"INSERT INTO proof ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"  # noqa: S608 - constants alone
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A valid proof, the time at which it arrived, and its bytes as the database stores them."""

    document: Document
    received: datetime
    compressed: bytes
    quota: Quota | None = None
    """What the token that sent it may add."""

    @property
    def started(self) -> datetime:
        """The time that gives the proof its place among the others."""
        return min(self.document.started, self.received)


@dataclass(frozen=True, slots=True)
class AdjacentProof:
    """The previous or the next proof of the project, in the order of their start."""

    id: int
    started: datetime
    state: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a proof changes between the two adjacent ones."""

    before: AdjacentProof | None
    after: AdjacentProof | None
    repeats: bool
    changes: list[IntervalChange]
    next_changes: int
    """The number of connections that differ between this proof and the next one."""
    staged: int | None = None
    """The number of the rows with the changes in the table of `staged_intervals`; None when they are not there."""


def plan(connection: Connection, project: int, new: Arrival) -> Plan:
    """Return what a proof changes."""
    before, after = _adjacent(connection, project, new, "before"), _adjacent(connection, project, new, "after")
    if before is not None and before.state == new.document.state:
        return Plan(before, after, repeats=True, changes=[], next_changes=0)
    was: StatesByKey = states(load(connection, before.id).connections) if before else {}
    now = states(new.document.connections)
    if after is None:
        return Plan(before, None, repeats=False, changes=list(intervals.changes(was, now)), next_changes=0)
    then = states(load(connection, after.id).connections)
    changed = list(intervals.changes_between(was, now, then))
    next_changes = sum(1 for _ in intervals.changes(now, then))
    return Plan(before, after, repeats=False, changes=changed, next_changes=next_changes)


def is_current(connection: Connection, project: int, new: Arrival, planned: Plan) -> bool:
    """Return whether the adjacent proofs are those of the plan; the project is locked."""
    return (planned.before, planned.after) == tuple(
        _adjacent(connection, project, new, side) for side in ("before", "after")
    )


def add(connection: Connection, project: int, new: Arrival, planned: Plan) -> None:
    """Add a proof that the project does not have yet, as planned; the project is locked."""
    if new.quota is not None:
        archive_quota.spend(connection, new.quota, len(planned.changes), new.received)
    proof = _insert(connection, project, new, planned)
    connection.execute(
        text("INSERT INTO document (proof_id, body, size) VALUES (:proof, :body, :size)"),
        {"proof": proof, "body": new.compressed, "size": len(new.document.body)},
    )
    after = planned.after
    if planned.changes:
        times = {"now": new.started, "now_proof": proof}
        times |= {"next": after and after.started, "next_proof": after and after.id}
        if planned.staged is not None:
            staged_intervals.apply(connection, planned.changes, times | {"client": planned.staged})
        else:
            ids = interval_rows.connection_ids(connection, project, (change.key for change in planned.changes))
            interval_rows.apply(connection, planned.changes, ids, times)
    if after is not None and not planned.repeats:
        connection.execute(
            text("UPDATE proof SET repeats = :repeats, changes = :changes WHERE id = :id"),
            {"id": after.id, "repeats": after.state == new.document.state, "changes": planned.next_changes},
        )
    update_project_summary(connection, project, added=1)
    notifications.record_proof(connection, project, new.document, new.received)


def pack(body: bytes) -> bytes:
    """Return a document compressed, as the database stores it."""
    return zlib.compress(body, COMPRESSION_LEVEL)


def unpack(compressed: bytes) -> bytes:
    """Return a document uncompressed, as it was sent."""
    return zlib.decompress(compressed)


def digest_bytes(digest: str) -> bytes:
    """Return the bytes of a digest in hexadecimal; no bytes, which match no proof, when it is not valid."""
    return bytes.fromhex(digest) if re.fullmatch(r"[0-9a-f]{64}", digest) else b""


def load(connection: Connection, proof: int) -> Document:
    """Return the document of a proof by the proof's id."""
    compressed: bytes = connection.execute(
        text("SELECT body FROM document WHERE proof_id = :id"), {"id": proof}
    ).scalar_one()
    return trusted(compressed)


def trusted(compressed: bytes) -> Document:
    """Return a document of the database, which was validated when it was stored."""
    return archive_validate.trusted_document(unpack(compressed))


def states(found: Iterable[ProofConnection]) -> dict[Key, ConnectionState]:
    """Return the states of connections."""
    return {item.key: item.state for item in found}


def columns(document: Document) -> dict[str, Any]:
    """Return the columns of a proof's row that follow from its document alone."""
    content = document.proof
    return {
        "word": content["verdict"]["word"],
        "exit_code": content["verdict"]["exit_code"],
        "duration_ms": content["duration_ms"],
        "tool": f"{content['tool']['name']} {content['tool']['version']}"[:255],
        "engine": f"{content['engine']['name']} {content['engine']['version']}"[:255],
        "machine": content["machine"]["name"][:255],
        "compose_project": content["project"]["name"][:255],
        "totals": json.dumps({**content["totals"], "flows": len(content["flows"])}, sort_keys=True),
        "state": document.state,
    }


def place(project: int, new: Arrival) -> dict[str, Any]:
    """Return the columns of a proof's row that follow from its arrival."""
    return {"project_id": project, "digest": new.document.digest, "started": new.started, "received": new.received}


def update_project_summary(connection: Connection, project: int, *, added: int) -> None:
    """Update the columns of a project that its list shows; `added` is the change of its number of proofs."""
    rows = connection.execute(
        text("SELECT id, word FROM proof WHERE project_id = :project ORDER BY started DESC, id DESC LIMIT :most"),
        {"project": project, "most": TREND_LENGTH},
    ).all()
    connection.execute(
        text(
            "UPDATE project SET last_proof = :last, trend = :trend, proofs = proofs + :more,"
            " changed_proof = (SELECT id FROM proof WHERE project_id = :project AND repeats = 0"
            " ORDER BY started DESC, id DESC LIMIT 1) WHERE id = :project"
        ),
        {
            "project": project,
            "more": added,
            "last": rows[0].id if rows else None,
            "trend": "".join(VERDICT_LETTERS[row.word] for row in reversed(rows)),
        },
    )


def _adjacent(connection: Connection, project: int, new: Arrival, side: str) -> AdjacentProof | None:
    row = connection.execute(text(SELECT_ADJACENT[side]), {"project": project, "started": new.started}).one_or_none()
    return None if row is None else AdjacentProof(row.id, row.started, row.state)


def _insert(connection: Connection, project: int, new: Arrival, planned: Plan) -> int:
    found = {"repeats": planned.repeats, "changes": len(planned.changes)}
    return int(connection.execute(INSERT_PROOF, columns(new.document) | place(project, new) | found).lastrowid)
