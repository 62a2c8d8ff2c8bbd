"""Adds a proof to a project: the document, its row, and the changed intervals of connections.

Rule: one transaction, with the project's row locked, so that proofs of one project are added one after the other.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text

from cloison_view.connections import Key, ProofConnection
from ledger.archive import intervals
from ledger.archive import validate as archive_validate
from ledger.archive.intervals import ConnectionState, IntervalChange, IntervalStep, StatesByKey
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
INSERT_PROOF: Final = text(
    "INSERT INTO proof (project_id, digest, word, exit_code, started, received, duration_ms, tool, engine, machine,"
    " totals, state, repeats, changes) VALUES (:project, :digest, :word, :exit_code, :started, :received, :duration_ms,"
    " :tool, :engine, :machine, :totals, :state, :repeats, :changes)"
)
INSERT_INTERVAL: Final = text(
    "INSERT INTO spell (door_id, intended, predicted, observed, judgement, drift, since, since_proof, until,"
    " until_proof) VALUES (:connection_id, :intended, :predicted, :observed, :judgement, :drift, :since, :since_proof,"
    " :until, :until_proof)"
)
COPY_REMAINDER: Final = text(
    "INSERT INTO spell (door_id, intended, predicted, observed, judgement, drift, since, since_proof, until,"
    " until_proof) SELECT door_id, intended, predicted, observed, judgement, drift, :next, :next_proof, until,"
    " until_proof FROM spell WHERE id = :id"
)
SET_UNTIL: Final = text("UPDATE spell SET until = :now, until_proof = :now_proof WHERE id = :id")
SET_SINCE: Final = text("UPDATE spell SET since = :now, since_proof = :now_proof WHERE id = :id")
# The interval that a step changes. Each is at one end of the index `spell_in_order`, so that one row is read.
NEWEST: Final = "ORDER BY since DESC, since_proof DESC LIMIT 1"
INTERVAL_CONDITION: Final = {
    IntervalStep.END_HERE: f"until_proof IS NULL {NEWEST}",
    IntervalStep.END_EARLIER: f"since <= :now AND until_proof = :next_proof {NEWEST}",
    IntervalStep.BEGIN_EARLIER: "since = :next AND since_proof = :next_proof",
    IntervalStep.INTERRUPT: f"since <= :now AND (until IS NULL OR until > :now) {NEWEST}",
}


@dataclass(frozen=True, slots=True)
class AdjacentProof:
    """The previous or the next proof of the project, in the order of their start."""

    id: int
    started: datetime
    state: bytes


def add(connection: Connection, project: int, new: Document, received: datetime, compressed: bytes) -> None:
    """Add a proof that the project does not have yet."""
    before = _adjacent(connection, project, new, "before")
    after = _adjacent(connection, project, new, "after")
    repeats = before is not None and before.state == new.state
    found = [] if repeats else _changes(connection, before, new, after)
    proof = _insert(connection, project, new, received, {"repeats": repeats, "changes": len(found)})
    connection.execute(
        text("INSERT INTO document (proof_id, body, size) VALUES (:proof, :body, :size)"),
        {"proof": proof, "body": compressed, "size": len(new.body)},
    )
    if found:
        ids = _ensure_door_ids(connection, project, (change.key for change in found))
        times = {"now": new.started, "now_proof": proof}
        times |= {"next": after and after.started, "next_proof": after and after.id}
        _apply_changes(connection, found, ids, times)
    if after is not None and not repeats:
        _update_next_proof(connection, new, after)
    update_project_summary(connection, project, added=1)
    notifications.record_proof(connection, project, new, received)


def pack(body: bytes) -> bytes:
    """Return a document compressed, as the database stores it."""
    return zlib.compress(body, COMPRESSION_LEVEL)


def unpack(compressed: bytes) -> bytes:
    """Return a document uncompressed, as it was sent."""
    return zlib.decompress(compressed)


def load(connection: Connection, proof: int) -> Document:
    """Return the document of a proof by the proof's id."""
    compressed: bytes = connection.execute(
        text("SELECT body FROM document WHERE proof_id = :id"), {"id": proof}
    ).scalar_one()
    return archive_validate.trusted_document(unpack(compressed))


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


def _adjacent(connection: Connection, project: int, new: Document, side: str) -> AdjacentProof | None:
    row = connection.execute(text(SELECT_ADJACENT[side]), {"project": project, "started": new.started}).one_or_none()
    return None if row is None else AdjacentProof(row.id, row.started, row.state)


def _states(found: Iterable[ProofConnection]) -> dict[Key, ConnectionState]:
    return {item.key: item.state for item in found}


def _changes(
    connection: Connection, before: AdjacentProof | None, new: Document, after: AdjacentProof | None
) -> list[IntervalChange]:
    was: StatesByKey = _states(load(connection, before.id).connections) if before else {}
    if after is None:
        return list(intervals.changes(was, _states(new.connections)))
    return list(
        intervals.changes_between(was, _states(new.connections), _states(load(connection, after.id).connections))
    )


def _insert(connection: Connection, project: int, new: Document, received: datetime, place: Mapping[str, Any]) -> int:
    content = new.proof
    done = connection.execute(
        INSERT_PROOF,
        {
            "project": project,
            "digest": new.digest,
            "word": content["verdict"]["word"],
            "exit_code": content["verdict"]["exit_code"],
            "started": new.started,
            "received": received,
            "duration_ms": content["duration_ms"],
            "tool": f"{content['tool']['name']} {content['tool']['version']}"[:255],
            "engine": f"{content['engine']['name']} {content['engine']['version']}"[:255],
            "machine": content["machine"]["name"][:255],
            "totals": json.dumps({**content["totals"], "flows": len(content["flows"])}, sort_keys=True),
            "state": new.state,
            **place,
        },
    )
    return int(done.lastrowid)


def _ensure_door_ids(connection: Connection, project: int, keys: Iterable[Key]) -> dict[Key, int]:
    wanted = set(keys)
    ids = _select_door_ids(connection, project)
    missing = sorted(wanted - ids.keys())
    if missing:
        connection.execute(
            text(
                "INSERT INTO door (project_id, source, target, protocol, port)"
                " VALUES (:project, :source, :target, :protocol, :port)"
            ),
            [
                {"project": project, **dict(zip(("source", "target", "protocol", "port"), key, strict=True))}
                for key in missing
            ],
        )
        ids = _select_door_ids(connection, project)
    return ids


def _select_door_ids(connection: Connection, project: int) -> dict[Key, int]:
    rows = connection.execute(
        text("SELECT id, source, target, protocol, port FROM door WHERE project_id = :project"), {"project": project}
    )
    return {(row.source, row.target, row.protocol, row.port): row.id for row in rows}


def _apply_changes(
    connection: Connection, found: list[IntervalChange], ids: Mapping[Key, int], times: Mapping[str, Any]
) -> None:
    """Apply the steps. New intervals are inserted last, so that no step finds them."""
    new: list[dict[str, Any]] = []
    for change in found:
        connection_id = ids[change.key]
        for step in change.steps:
            if step in INTERVAL_CONDITION:
                _apply_step(connection, step, {"connection_id": connection_id, **times})
            else:
                until = (None, None) if step is IntervalStep.BEGIN_HERE else (times["next"], times["next_proof"])
                new.append(_interval_row(connection_id, change.state, times, until))
    if new:
        connection.execute(INSERT_INTERVAL, new)


def _apply_step(connection: Connection, step: IntervalStep, values: dict[str, Any]) -> None:
    interval = _find_interval(connection, step, values)
    if step is IntervalStep.INTERRUPT:
        connection.execute(COPY_REMAINDER, {**values, "id": interval["id"]})
    connection.execute(SET_SINCE if step is IntervalStep.BEGIN_EARLIER else SET_UNTIL, {**values, "id": interval["id"]})


def _find_interval(connection: Connection, step: IntervalStep, values: Mapping[str, Any]) -> RowMapping:
    found = text(f"SELECT id FROM spell WHERE door_id = :connection_id AND {INTERVAL_CONDITION[step]}")  # noqa: S608 - constants alone
    return connection.execute(found, values).mappings().one()


def _interval_row(
    connection_id: int, state: ConnectionState | None, times: Mapping[str, Any], until: tuple[Any, Any]
) -> dict[str, Any]:
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
        "since": times["now"],
        "since_proof": times["now_proof"],
        "until": until[0],
        "until_proof": until[1],
    }


def _update_next_proof(connection: Connection, new: Document, after: AdjacentProof) -> None:
    """Compare the next proof with the new one, which now precedes it."""
    changed = list(intervals.changes(_states(new.connections), _states(load(connection, after.id).connections)))
    connection.execute(
        text("UPDATE proof SET repeats = :repeats, changes = :changes WHERE id = :id"),
        {"id": after.id, "repeats": after.state == new.state, "changes": len(changed)},
    )
