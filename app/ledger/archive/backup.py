"""Backup of all data of the ledger, as one tar file; `ledger.archive.restore` reads it.

Its members: `ledger.json` (format and schema revision), `tables/NAME/NUMBER.jsonl` (rows, in parts),
`proofs/NUMBER-DIGEST.json` (each proof as it was sent, so that sha256sum can check it), and last `end.json` with the
number of rows of each table. A file without `end.json` is not a backup.

Rules:
- A backup is consistent: one transaction with one snapshot of the data.
- Sessions, login attempts, the use of quotas, the intervals of connections, which follow from the proofs, and the
  `visits` of an older schema are not part of it. Neither are deliveries: a restore must not send again what was sent
  after the backup.
- Rows are read in batches, so that no result set stays open while a slow reader takes the file.
"""

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    and_,
    or_,
    select,
    text,
)

from ledger.archive import insert_proof as archive_insert

FORMAT_VERSION: Final = 2
UNTOUCHED_TABLES: Final = frozenset({"alembic_version", "visits"})
# Sessions end, quotas begin anew, documents are members of their own, and the rest follows from the documents.
EXCLUDED_TABLES: Final = UNTOUCHED_TABLES | {
    "session",
    "device",
    "attempt",
    "token_usage",
    "staged_interval",
    "document",
    "door",
    "spell",
    "delivery",
    "notifier",
}
ROWS_PER_FILE: Final = 5000  # rows of one member
DOCUMENTS_PER_QUERY: Final = 50  # documents of one query


def write(engine: Engine, stream: IO[bytes]) -> dict[str, int]:
    """Write a backup, and return its number of rows for each table."""
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as tar,
    ):
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        _add_member(tar, "ledger.json", {"form": FORMAT_VERSION, "revision": revision(connection)})
        row_counts = {}
        for table in tables(connection):
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


def revision(connection: Connection) -> str:
    """Return the revision of the tables."""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def tables(connection: Connection) -> list[Table]:
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
