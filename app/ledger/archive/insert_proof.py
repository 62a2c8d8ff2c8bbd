"""Adds a proof to a project: the document, its line, and what it changes in the doors' spells.

Rule: one transaction, with the project's row locked, so that proofs of one project are added one after the other.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, text

from cloison_view.connections import Door, Key
from ledger.archive import intervals
from ledger.archive import validate as archive_validate
from ledger.archive.intervals import Change, State, States, Step
from ledger.archive.validate import Document

TREND: Final = 30  # proofs
LEVEL: Final = 3  # of zlib: half the time of its default for a twentieth more bytes
WORD_LETTERS: Final = {"proven": "p", "breached": "b", "unproven": "u"}

NEIGHBOURS: Final = {
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
INSERT_SPELL: Final = text(
    "INSERT INTO spell (door_id, intended, predicted, observed, judgement, drift, since, since_proof, until,"
    " until_proof) VALUES (:door, :intended, :predicted, :observed, :judgement, :drift, :since, :since_proof, :until,"
    " :until_proof)"
)
COPY_REST: Final = text(
    "INSERT INTO spell (door_id, intended, predicted, observed, judgement, drift, since, since_proof, until,"
    " until_proof) SELECT door_id, intended, predicted, observed, judgement, drift, :next, :next_proof, until,"
    " until_proof FROM spell WHERE id = :id"
)
END: Final = text("UPDATE spell SET until = :now, until_proof = :now_proof WHERE id = :id")
BEGIN: Final = text("UPDATE spell SET since = :now, since_proof = :now_proof WHERE id = :id")
# The spell that a step is about. Each is found at one end of `spell_in_order`, however many the door has.
LAST: Final = "ORDER BY since DESC, since_proof DESC LIMIT 1"
FIND: Final = {
    Step.END_HERE: f"until_proof IS NULL {LAST}",
    Step.END_EARLIER: f"since <= :now AND until_proof = :next_proof {LAST}",
    Step.BEGIN_EARLIER: "since = :next AND since_proof = :next_proof",
    Step.INTERRUPT: f"since <= :now AND (until IS NULL OR until > :now) {LAST}",
}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The proof before or after, in time."""

    id: int
    started: datetime
    state: bytes


def add(connection: Connection, project: int, new: Document, received: datetime, packed: bytes) -> None:
    """Add a proof that the project does not have."""
    before = _neighbour(connection, project, new, "before")
    after = _neighbour(connection, project, new, "after")
    repeats = before is not None and before.state == new.state
    found = [] if repeats else _changes(connection, before, new, after)
    proof = _insert(connection, project, new, received, {"repeats": repeats, "changes": len(found)})
    connection.execute(
        text("INSERT INTO document (proof_id, body, size) VALUES (:proof, :body, :size)"),
        {"proof": proof, "body": packed, "size": len(new.body)},
    )
    if found:
        ids = _door_ids(connection, project, (change.key for change in found))
        times = {"now": new.started, "now_proof": proof}
        times |= {"next": after and after.started, "next_proof": after and after.id}
        _write(connection, found, ids, times)
    if after is not None and not repeats:
        _count_again(connection, new, after)
    refresh(connection, project, more=1)


def pack(body: bytes) -> bytes:
    """Return a document as it lies in the database."""
    return zlib.compress(body, LEVEL)


def unpack(packed: bytes) -> bytes:
    """Return a document as it was sent."""
    return zlib.decompress(packed)


def load(connection: Connection, proof: int) -> Document:
    """Return a document by its proof's number."""
    packed: bytes = connection.execute(
        text("SELECT body FROM document WHERE proof_id = :id"), {"id": proof}
    ).scalar_one()
    return archive_validate.stored(unpack(packed))


def refresh(connection: Connection, project: int, *, more: int) -> None:
    """Bring what the list of projects shows into step with the proofs, of which there are so many more."""
    rows = connection.execute(
        text("SELECT id, word FROM proof WHERE project_id = :project ORDER BY started DESC, id DESC LIMIT :most"),
        {"project": project, "most": TREND},
    ).all()
    connection.execute(
        text(
            "UPDATE project SET last_proof = :last, trend = :trend, proofs = proofs + :more,"
            " changed_proof = (SELECT id FROM proof WHERE project_id = :project AND repeats = 0"
            " ORDER BY started DESC, id DESC LIMIT 1) WHERE id = :project"
        ),
        {
            "project": project,
            "more": more,
            "last": rows[0].id if rows else None,
            "trend": "".join(WORD_LETTERS[row.word] for row in reversed(rows)),
        },
    )


def _neighbour(connection: Connection, project: int, new: Document, side: str) -> Neighbour | None:
    row = connection.execute(text(NEIGHBOURS[side]), {"project": project, "started": new.started}).one_or_none()
    return None if row is None else Neighbour(row.id, row.started, row.state)


def _states(found: Iterable[Door]) -> dict[Key, State]:
    return {door.key: door.state for door in found}


def _changes(connection: Connection, before: Neighbour | None, new: Document, after: Neighbour | None) -> list[Change]:
    was: States = _states(load(connection, before.id).doors) if before else {}
    if after is None:
        return list(intervals.changes(was, _states(new.doors)))
    return list(intervals.changes_between(was, _states(new.doors), _states(load(connection, after.id).doors)))


def _insert(connection: Connection, project: int, new: Document, received: datetime, place: Mapping[str, Any]) -> int:
    said = new.proof
    done = connection.execute(
        INSERT_PROOF,
        {
            "project": project,
            "digest": new.digest,
            "word": said["verdict"]["word"],
            "exit_code": said["verdict"]["exit_code"],
            "started": new.started,
            "received": received,
            "duration_ms": said["duration_ms"],
            "tool": f"{said['tool']['name']} {said['tool']['version']}"[:255],
            "engine": f"{said['engine']['name']} {said['engine']['version']}"[:255],
            "machine": said["machine"]["name"][:255],
            "totals": json.dumps({**said["totals"], "flows": len(said["flows"])}, sort_keys=True),
            "state": new.state,
            **place,
        },
    )
    return int(done.lastrowid)


def _door_ids(connection: Connection, project: int, keys: Iterable[Key]) -> dict[Key, int]:
    wanted = set(keys)
    ids = _known_doors(connection, project)
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
        ids = _known_doors(connection, project)
    return ids


def _known_doors(connection: Connection, project: int) -> dict[Key, int]:
    rows = connection.execute(
        text("SELECT id, source, target, protocol, port FROM door WHERE project_id = :project"), {"project": project}
    )
    return {(row.source, row.target, row.protocol, row.port): row.id for row in rows}


def _write(connection: Connection, found: list[Change], ids: Mapping[Key, int], times: Mapping[str, Any]) -> None:
    """Take the steps. A new spell is written last, so that no step finds it."""
    new: list[dict[str, Any]] = []
    for change in found:
        door = ids[change.key]
        for step in change.steps:
            if step in FIND:
                _mend(connection, step, {"door": door, **times})
            else:
                until = (None, None) if step is Step.BEGIN_HERE else (times["next"], times["next_proof"])
                new.append(_row(door, change.state, times, until))
    if new:
        connection.execute(INSERT_SPELL, new)


def _mend(connection: Connection, step: Step, values: dict[str, Any]) -> None:
    spell = _spell(connection, step, values)
    if step is Step.INTERRUPT:
        connection.execute(COPY_REST, {**values, "id": spell["id"]})
    connection.execute(BEGIN if step is Step.BEGIN_EARLIER else END, {**values, "id": spell["id"]})


def _spell(connection: Connection, step: Step, values: Mapping[str, Any]) -> RowMapping:
    found = text(f"SELECT id FROM spell WHERE door_id = :door AND {FIND[step]}")  # noqa: S608 - FIND is the only source
    return connection.execute(found, values).mappings().one()


def _row(door: int, state: State | None, times: Mapping[str, Any], until: tuple[Any, Any]) -> dict[str, Any]:
    if state is None:
        raise ValueError("a spell needs a state")
    intended, predicted, observed, judgement, drift = state
    return {
        "door": door,
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


def _count_again(connection: Connection, new: Document, after: Neighbour) -> None:
    """Compare the proof that follows with the new one, which is now the one before it."""
    changed = list(intervals.changes(_states(new.doors), _states(load(connection, after.id).doors)))
    connection.execute(
        text("UPDATE proof SET repeats = :repeats, changes = :changes WHERE id = :id"),
        {"id": after.id, "repeats": after.state == new.state, "changes": len(changed)},
    )
