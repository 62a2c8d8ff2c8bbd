"""A copy of everything the ledger keeps, as one tar file, and the way back.

What is in it: `ledger.json` (the form and the schema's revision), `tables/NAME/NUMBER.jsonl` (the rows, in pieces),
`proofs/NUMBER-DIGEST.json` (each proof as it was sent, so that sha256sum checks it), and last `end.json` with what
there must be. A file without its end is no backup.

Rules:
- All of it is one moment: one transaction with one view of the data, whatever is written meanwhile.
- Sessions, counted attempts and the visits of an older form stay where they are.
- Restoring is all or nothing, into a ledger of the same revision that keeps nothing yet. What its first start made, an
  administrator and a line or two in the audit log, makes way for what the backup holds, and every session ends.
- Nothing stays open at the server while the file is being written, so whoever takes it may be as slow as he is.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DataError, IntegrityError

from ledger.archive import insert_proof as archive_insert

FORM: Final = 1
STAYS: Final = frozenset({"alembic_version", "visits"})
LEFT_OUT: Final = STAYS | {"session", "device", "attempt", "document"}
FIRST_START: Final = {"project": 0, "proof": 0, "account": 1}  # the rows that a ledger may have and keep nothing
ROWS: Final = 5000  # in one piece
BODIES: Final = 50  # documents fetched at once


DAMAGED: Final = (
    tarfile.TarError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    ValueError,  # no JSON, no UTF-8, no time
    LookupError,
    StopIteration,
    IntegrityError,
    DataError,
)


class Unfit(Exception):  # noqa: N818 - it says what the file is
    """The file cannot be restored here; the sentence says why."""


def write(engine: Engine, stream: IO[bytes]) -> dict[str, int]:
    """Write a backup; returns how many rows of each table there are in it."""
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        _member(tar, "ledger.json", {"form": FORM, "revision": _revision(connection)})
        counted = {}
        for table in _tables(connection):
            counted[table.name] = 0
            for number, rows in enumerate(pieces(connection, table)):
                lines = "".join(json.dumps(_plain(row), sort_keys=True) + "\n" for row in rows)
                _member(tar, f"tables/{table.name}/{number:06}.jsonl", lines.encode())
                counted[table.name] += len(rows)
        for number, digest, body in _bodies(connection):
            _member(tar, f"proofs/{number}-{digest}.json", body)
        _member(tar, "end.json", counted)
        connection.rollback()
    return counted


def read(engine: Engine, stream: IO[bytes]) -> dict[str, int]:
    """Restore a backup; returns how many rows of each table there were. Unfit when it is none, or not for here."""
    try:
        with engine.begin() as connection:
            return _restore(connection, stream)
    except DAMAGED as error:
        raise Unfit("The file is no backup of a ledger, or a damaged one, or a part of one.") from error


def _restore(connection: Connection, stream: IO[bytes]) -> dict[str, int]:
    tables = {table.name: table for table in _tables(connection)}
    _make_room(connection)
    counted = dict.fromkeys(tables, 0)
    members = _members(stream)
    name, content = next(members)
    if name != "ledger.json":
        raise EOFError
    _check_head(connection, json.loads(content))
    proofs, end = 0, None
    for name, content in members:
        kind, _, rest = name.partition("/")
        if kind == "tables":
            table = tables[rest.partition("/")[0]]
            rows = [_real(table, json.loads(line)) for line in content.splitlines()]
            connection.execute(insert(table), rows)
            counted[table.name] += len(rows)
        elif kind == "proofs":
            _restore_body(connection, rest, content)
            proofs += 1
        else:
            end = json.loads(content)
    if end != counted or proofs != counted["proof"]:
        raise Unfit("The backup does not hold what its end says there is, or has no end.")
    return counted


def _members(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield what is in the file, and read it to its end, where gzip's checksum is."""
    with gzip.GzipFile(fileobj=stream, mode="rb") as packed:
        with tarfile.open(fileobj=packed, mode="r|") as tar:
            for member in tar:
                held = tar.extractfile(member)
                yield member.name, held.read() if held else b""
        while packed.read(tarfile.RECORDSIZE):
            pass


def _make_room(connection: Connection) -> None:
    """Refuse a ledger that keeps something; empty one that has only been started."""
    held = MetaData()
    held.reflect(connection)
    tables = [table for table in held.sorted_tables if table.name not in STAYS]
    for table in tables:
        rows = connection.scalar(select(func.count()).select_from(table)) or 0
        if rows > FIRST_START.get(table.name, rows):
            raise Unfit(f"This ledger keeps something already ({table.name}): restore into a new one.")
    for table in reversed(tables):
        connection.execute(delete(table))


def _check_head(connection: Connection, head: dict[str, Any]) -> None:
    here = _revision(connection)
    if head["form"] != FORM or head["revision"] != here:
        raise Unfit(
            f"The backup is of revision {head['revision']}, and this ledger is of {here}: restore it with the version"
            " that wrote it, then upgrade."
        )


def _restore_body(connection: Connection, name: str, body: bytes) -> None:
    number, _, digest = name.removesuffix(".json").partition("-")
    if hashlib.sha256(body).hexdigest() != digest:
        raise Unfit(f"proofs/{name}: the bytes are not those of that name; the backup is damaged.")
    done = connection.execute(
        text(
            "INSERT INTO document (proof_id, body, size) SELECT id, :body, :size FROM proof"
            " WHERE id = :id AND digest = :digest"
        ),
        {"id": int(number), "digest": bytes.fromhex(digest), "body": archive_insert.pack(body), "size": len(body)},
    )
    if done.rowcount != 1:
        raise Unfit(f"proofs/{name}: the backup's table of proofs has no such row.")


def _revision(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _tables(connection: Connection) -> list[Table]:
    """Return what is copied, each after what it refers to."""
    held = MetaData()
    held.reflect(connection)
    return [table for table in held.sorted_tables if table.name not in LEFT_OUT]


def pieces(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Yield a table's rows in the order of its key, so many at a time."""
    keys = list(table.primary_key.columns)
    query = select(table).order_by(*keys).limit(ROWS)
    rows = connection.execute(query).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        after = [rows[-1][key] for key in keys]
        rows = connection.execute(query.where(_follows(keys, after))).mappings().all()


def _follows(keys: list[Column[Any]], after: list[Any]) -> ColumnElement[bool]:
    """Say that a row's key comes after another, in words that an index serves; (a, b) > (1, 2) reads all of it."""
    key, *others = keys
    value, *rest = after
    return key > value if not others else or_(key > value, and_(key == value, _follows(others, rest)))


def _bodies(connection: Connection) -> Iterator[tuple[int, str, bytes]]:
    last = 0
    query = text(
        "SELECT p.id, p.digest, d.body FROM proof p JOIN document d ON d.proof_id = p.id WHERE p.id > :last"
        " ORDER BY p.id LIMIT :most"
    )
    while rows := connection.execute(query, {"last": last, "most": BODIES}).all():
        for row in rows:
            yield row.id, row.digest.hex(), archive_insert.unpack(row.body)
        last = rows[-1].id


def _member(tar: tarfile.TarFile, name: str, content: bytes | dict[str, Any]) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    tar.addfile(info, io.BytesIO(data))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_text(value) for name, value in row.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def _real(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_column(table, name, value) for name, value in row.items()}


def _as_column(table: Table, name: str, value: Any) -> Any:
    if value is None:
        return None
    kind = table.columns[name].type
    if isinstance(kind, LargeBinary) or kind.python_type is bytes:
        return base64.b64decode(value)
    return datetime.fromisoformat(value) if kind.python_type is datetime else value
