"""A copy of everything the ledger keeps, as one tar file, and the way back.

What is in it: `ledger.json` (the form and the schema's revision), `tables/NAME/NUMBER.jsonl` (the rows, in pieces),
`proofs/NUMBER-DIGEST.json` (each proof as it was sent, so that sha256sum checks it), and last `end.json` with what
there must be. A file without its end is no backup.

Rules:
- All of it is one moment: one transaction with one view of the data, whatever is written meanwhile.
- Sessions, counted attempts and the visits of an older form stay where they are.
- Restoring is all or nothing, into a ledger that keeps nothing yet, of the same revision.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, Final

from sqlalchemy import Connection, Engine, LargeBinary, MetaData, Table, func, insert, select, text

from ledger.archive import adding

FORM: Final = 1
LEFT_OUT: Final = frozenset({"alembic_version", "visits", "session", "attempt", "document"})
ROWS: Final = 5000  # in one piece
BODIES: Final = 50  # documents fetched at once


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
            for number, rows in enumerate(_pieces(connection, table)):
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
    with engine.begin() as connection:
        try:
            return _restore(connection, stream)
        except (
            tarfile.TarError,
            EOFError,
            gzip.BadGzipFile,
            UnicodeDecodeError,
            json.JSONDecodeError,
            KeyError,
        ) as error:
            raise Unfit("The file is no backup of a ledger, or a part of one: its end is missing.") from error


def _restore(connection: Connection, stream: IO[bytes]) -> dict[str, int]:
    tables = {table.name: table for table in _tables(connection)}
    filled = [name for name, table in tables.items() if connection.scalar(select(func.count()).select_from(table))]
    if filled:
        raise Unfit(f"This ledger keeps something already ({', '.join(filled)}): restore into an empty one.")
    counted = dict.fromkeys(tables, 0)
    proofs, end = 0, None
    with tarfile.open(fileobj=stream, mode="r|gz") as tar:
        for member in tar:
            held = tar.extractfile(member)
            content = held.read() if held else b""
            kind, _, rest = member.name.partition("/")
            if kind == "ledger.json":
                _check_head(connection, json.loads(content))
            elif kind == "tables":
                table = tables[rest.partition("/")[0]]
                rows = [_real(table, json.loads(line)) for line in content.splitlines()]
                connection.execute(insert(table), rows)
                counted[table.name] += len(rows)
            elif kind == "proofs":
                _restore_body(connection, rest, content)
                proofs += 1
            elif kind == "end.json":
                end = json.loads(content)
    if end is None:
        raise EOFError
    if end != counted or proofs != counted["proof"]:
        raise Unfit("The backup does not hold what its end says there is.")
    return counted


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
    connection.execute(
        text("INSERT INTO document (proof_id, body, size) VALUES (:id, :body, :size)"),
        {"id": int(number), "body": adding.pack(body), "size": len(body)},
    )


def _revision(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _tables(connection: Connection) -> list[Table]:
    """Return what is copied, each after what it refers to."""
    held = MetaData()
    held.reflect(connection)
    return [table for table in held.sorted_tables if table.name not in LEFT_OUT]


def _pieces(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    keys = list(table.primary_key.columns)
    rows = connection.execution_options(yield_per=ROWS).execute(select(table).order_by(*keys)).mappings()
    for piece in rows.partitions(ROWS):
        yield [dict(row) for row in piece]
    connection.execution_options(yield_per=None)


def _bodies(connection: Connection) -> Iterator[tuple[int, str, bytes]]:
    last = 0
    query = text(
        "SELECT p.id, p.digest, d.body FROM proof p JOIN document d ON d.proof_id = p.id WHERE p.id > :last"
        " ORDER BY p.id LIMIT :most"
    )
    while rows := connection.execute(query, {"last": last, "most": BODIES}).all():
        for row in rows:
            yield row.id, row.digest.hex(), adding.unpack(row.body)
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
