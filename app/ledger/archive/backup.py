"""Backup and restore of all data of the ledger, as one tar file.

Its members: `ledger.json` (format and schema revision), `tables/NAME/NUMBER.jsonl` (rows, in parts),
`proofs/NUMBER-DIGEST.json` (each proof as it was sent, so that sha256sum can check it), and last `end.json` with the
number of rows of each table. A file without `end.json` is not a backup.

Rules:
- A backup is consistent: one transaction with one snapshot of the data.
- Sessions, login attempts and the `visits` of an older schema are not part of it. Neither are deliveries: a
  restore must not send again what was sent after the backup.
- A restore is all or nothing, into a ledger of the same revision without proofs. The rows of its first start (an
  administrator, entries in the audit log) are replaced, and every session ends.
- Rows are read in batches, so that no result set stays open while a slow reader takes the file.
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

FORMAT_VERSION: Final = 1
UNTOUCHED_TABLES: Final = frozenset({"alembic_version", "visits"})
EXCLUDED_TABLES: Final = UNTOUCHED_TABLES | {"session", "device", "attempt", "document", "delivery", "notifier"}
FRESH_ROW_LIMITS: Final = {"project": 0, "proof": 0, "account": 1}  # rows that an empty ledger may have
ROWS_PER_FILE: Final = 5000  # rows of one member
DOCUMENTS_PER_QUERY: Final = 50  # documents of one query


DAMAGE_ERRORS: Final = (
    tarfile.TarError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    ValueError,  # not JSON, not UTF-8, not a time
    LookupError,
    StopIteration,
    IntegrityError,
    DataError,
)


class RestoreError(Exception):
    """The file cannot be restored into this ledger; the message says why."""


def write(engine: Engine, stream: IO[bytes]) -> dict[str, int]:
    """Write a backup, and return its number of rows for each table."""
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as tar,
    ):
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        _add_member(tar, "ledger.json", {"form": FORMAT_VERSION, "revision": _revision(connection)})
        row_counts = {}
        for table in _tables(connection):
            row_counts[table.name] = 0
            for number, rows in enumerate(row_batches(connection, table)):
                lines = "".join(json.dumps(_to_json_row(row), sort_keys=True) + "\n" for row in rows)
                _add_member(tar, f"tables/{table.name}/{number:06}.jsonl", lines.encode())
                row_counts[table.name] += len(rows)
        for number, digest, body in _bodies(connection):
            _add_member(tar, f"proofs/{number}-{digest}.json", body)
        _add_member(tar, "end.json", row_counts)
        connection.rollback()
    return row_counts


def read(engine: Engine, stream: IO[bytes]) -> dict[str, int]:
    """Restore a backup, and return its number of rows for each table; RestoreError when that is not possible."""
    try:
        with engine.begin() as connection:
            return _restore(connection, stream)
    except DAMAGE_ERRORS as error:
        raise RestoreError("The file is not a complete backup of a ledger, or it is damaged.") from error


def _restore(connection: Connection, stream: IO[bytes]) -> dict[str, int]:
    tables = {table.name: table for table in _tables(connection)}
    _empty_fresh_ledger(connection)
    row_counts = dict.fromkeys(tables, 0)
    members = _members(stream)
    name, content = next(members)
    if name != "ledger.json":
        raise EOFError
    _check_header(connection, json.loads(content))
    proofs, end = 0, None
    for name, content in members:
        kind, _, rest = name.partition("/")
        if kind == "tables":
            table = tables[rest.partition("/")[0]]
            rows = [_from_json_row(table, json.loads(line)) for line in content.splitlines()]
            connection.execute(insert(table), rows)
            row_counts[table.name] += len(rows)
        elif kind == "proofs":
            _restore_body(connection, rest, content)
            proofs += 1
        else:
            end = json.loads(content)
    if end != row_counts or proofs != row_counts["proof"]:
        raise RestoreError("The backup does not contain the rows that its end.json lists, or has no end.json.")
    return row_counts


def _members(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each member, then read to the end of the file, which has gzip's checksum."""
    with gzip.GzipFile(fileobj=stream, mode="rb") as compressed:
        with tarfile.open(fileobj=compressed, mode="r|") as tar:
            for member in tar:
                extracted = tar.extractfile(member)
                yield member.name, extracted.read() if extracted else b""
        while compressed.read(tarfile.RECORDSIZE):
            pass


def _empty_fresh_ledger(connection: Connection) -> None:
    """Raise RestoreError for a ledger with data; delete the rows of one that was only started."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name not in UNTOUCHED_TABLES]
    for table in tables:
        rows = connection.scalar(select(func.count()).select_from(table)) or 0
        if rows > FRESH_ROW_LIMITS.get(table.name, rows):
            raise RestoreError(f"This ledger has data already ({table.name}): restore into a new one.")
    for table in reversed(tables):
        connection.execute(delete(table))


def _check_header(connection: Connection, head: dict[str, Any]) -> None:
    here = _revision(connection)
    if head["form"] != FORMAT_VERSION or head["revision"] != here:
        raise RestoreError(
            f"The backup has revision {head['revision']}, and this ledger has {here}: restore it with the version"
            " that wrote it, then upgrade."
        )


def _restore_body(connection: Connection, name: str, body: bytes) -> None:
    number, _, digest = name.removesuffix(".json").partition("-")
    if hashlib.sha256(body).hexdigest() != digest:
        raise RestoreError(f"proofs/{name}: the bytes do not match the digest; the backup is damaged.")
    done = connection.execute(
        text(
            "INSERT INTO document (proof_id, body, size) SELECT id, :body, :size FROM proof"
            " WHERE id = :id AND digest = :digest"
        ),
        {"id": int(number), "digest": bytes.fromhex(digest), "body": archive_insert.pack(body), "size": len(body)},
    )
    if done.rowcount != 1:
        raise RestoreError(f"proofs/{name}: the backup has no such row in its table of proofs.")


def _revision(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _tables(connection: Connection) -> list[Table]:
    """Return the tables of a backup, each after those that it refers to."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name not in EXCLUDED_TABLES]


def row_batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Yield a table's rows in the order of its key, ROWS_PER_FILE at a time."""
    keys = list(table.primary_key.columns)
    query = select(table).order_by(*keys).limit(ROWS_PER_FILE)
    rows = connection.execute(query).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        after = [rows[-1][key] for key in keys]
        rows = connection.execute(query.where(_key_after(keys, after))).mappings().all()


def _key_after(keys: list[Column[Any]], after: list[Any]) -> ColumnElement[bool]:
    """Return the condition that a key comes after another, in a form that uses the index; (a, b) > (1, 2) would not."""
    key, *others = keys
    value, *rest = after
    return key > value if not others else or_(key > value, and_(key == value, _key_after(others, rest)))


def _bodies(connection: Connection) -> Iterator[tuple[int, str, bytes]]:
    last = 0
    query = text(
        "SELECT p.id, p.digest, d.body FROM proof p JOIN document d ON d.proof_id = p.id WHERE p.id > :last"
        " ORDER BY p.id LIMIT :most"
    )
    while rows := connection.execute(query, {"last": last, "most": DOCUMENTS_PER_QUERY}).all():
        for row in rows:
            yield row.id, row.digest.hex(), archive_insert.unpack(row.body)
        last = rows[-1].id


def _add_member(tar: tarfile.TarFile, name: str, content: bytes | dict[str, Any]) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    tar.addfile(info, io.BytesIO(data))


def _to_json_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _to_json(value) for name, value in row.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def _from_json_row(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _from_json(table, name, value) for name, value in row.items()}


def _from_json(table: Table, name: str, value: Any) -> Any:
    if value is None:
        return None
    kind = table.columns[name].type
    if isinstance(kind, LargeBinary) or kind.python_type is bytes:
        return base64.b64decode(value)
    return datetime.fromisoformat(value) if kind.python_type is datetime else value
