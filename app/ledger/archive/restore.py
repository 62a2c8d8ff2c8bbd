"""Restores a backup (`ledger.archive.backup`) into a ledger without proofs.

Input: the file, as a stream. Output: the number of rows of each table, or RestoreError with one sentence.
Rules:
- All or nothing, into a ledger of the same revision. The rows of its first start (an administrator, entries in the
  audit log) are replaced, and every session ends.
- Nothing in the file is trusted. Each proof is validated as if a client had sent it; what the ledger shows of proofs
  is derived from them again; a member that a backup does not have is an error.
- Memory is bounded: one member of at most `limit` bytes at a time, whatever the file says.
"""

import base64
import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Final

from sqlalchemy import Connection, Engine, LargeBinary, MetaData, Table, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.archive import backup, rebuild
from ledger.archive import insert_proof as archive_insert
from ledger.archive import validate as archive_validate
from ledger.archive.validate import InvalidProofError
from ledger.database import CONNECTION_LOST, DISK_FULL_CODES, RETRYABLE, code

MEMBER_LIMIT: Final = 32 << 20
"""Bytes of the largest member, unless the ledger accepts larger proofs."""
ROWS_PER_INSERT: Final = 1000
FRESH_ROW_LIMITS: Final = {"project": 0, "proof": 0, "account": 1}  # rows that an empty ledger may have
DAMAGED: Final = "The file is not a complete backup of a ledger, or it is damaged."
# What follows from the proofs, until it is derived: whatever the file says about it is ignored.
DERIVED: Final[Mapping[str, Mapping[str, Any]]] = {
    "project": {"proofs": 0, "last_proof": None, "changed_proof": None, "trend": "", "stale": False},
    "proof": {
        "word": "unproven",
        "exit_code": 3,
        "duration_ms": 0,
        "tool": "",
        "engine": "",
        "machine": "",
        "compose_project": "",
        "totals": "{}",
        "state": bytes(32),
        "repeats": False,
        "changes": 0,
    },
}
INSERT_BODY: Final = text(
    "INSERT INTO document (proof_id, body, size) SELECT id, :body, :size FROM proof WHERE id = :id AND digest = :digest"
)
SET_STARTED: Final = text("UPDATE proof SET started = LEAST(:started, received) WHERE id = :id")


class RestoreError(Exception):
    """The file cannot be restored into this ledger; the message says why."""


class _Member(tarfile.TarInfo):
    """A member that is a file. Any other kind is refused before it is read, because its header may have any size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in tarfile.REGULAR_TYPES:
            raise RestoreError(DAMAGED)
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]  # the hook that CPython documents


def read(
    engine: Engine, stream: IO[bytes], *, limit: int = MEMBER_LIMIT, left_out: Callable[[str], None] | None = None
) -> dict[str, int]:
    """Restore a backup, and return its number of rows for each table; RestoreError when that is not possible.

    With `left_out`, invalid proofs are left out, and each is told to it in a sentence.
    """
    try:
        with engine.begin() as connection:
            return _Restore(connection, max(limit, MEMBER_LIMIT), left_out).run(stream)
    except (RestoreError, KeyboardInterrupt):
        raise
    except DBAPIError as error:
        is_away = error.connection_invalidated or code(error) in CONNECTION_LOST | RETRYABLE | DISK_FULL_CODES
        if is_away or isinstance(error, OperationalError):
            raise
        raise RestoreError(DAMAGED) from error
    except Exception as error:
        raise RestoreError(DAMAGED) from error


@dataclass(slots=True)
class _Restore:
    """A restore under way."""

    connection: Connection
    limit: int
    left_out: Callable[[str], None] | None
    tables: dict[str, Table] = field(default_factory=dict)
    row_counts: dict[str, int] = field(default_factory=dict)
    proofs: int = 0
    invalid: int = 0

    def run(self, stream: IO[bytes]) -> dict[str, int]:
        """Restore every member, then derive what follows from the proofs."""
        self.tables = {table.name: table for table in backup.tables(self.connection)}
        self.row_counts = dict.fromkeys(self.tables, 0)
        _empty_fresh_ledger(self.connection)
        members = _members(stream, self.limit)
        name, content = next(members)
        if name != "ledger.json":
            raise RestoreError(DAMAGED)
        _check_header(self.connection, json.loads(content))
        end = None
        for name, content in members:
            if end is not None:
                raise RestoreError(f"{name}: a member after the end of the backup.")
            end = self._add(name, content)
        if end != self.row_counts or self.proofs != self.row_counts["proof"]:
            raise RestoreError("The backup does not contain the rows that its end.json lists, or has no end.json.")
        for project in self.connection.scalars(text("SELECT id FROM project ORDER BY id")).all():
            rebuild.rebuild(self.connection, project)
        self.row_counts["proof"] -= self.invalid
        return self.row_counts

    def _add(self, name: str, content: bytes) -> Any:
        """Restore a member, and return the content of the last one."""
        kind, _, rest = name.partition("/")
        if kind == "tables" and rest.partition("/")[0] in self.tables:
            self._add_rows(self.tables[rest.partition("/")[0]], name, content)
        elif kind == "proofs":
            self._add_body(rest, content)
        elif name == "end.json":
            return json.loads(content)
        else:
            raise RestoreError(f"{name[:80]!r}: a backup of this ledger has no such member.")
        return None

    def _add_rows(self, table: Table, name: str, content: bytes) -> None:
        lines = content.splitlines()
        for start in range(0, len(lines), ROWS_PER_INSERT):
            rows = []
            for number, line in enumerate(lines[start : start + ROWS_PER_INSERT], start + 1):
                row = json.loads(line)
                if not isinstance(row, dict) or row.keys() != set(table.columns.keys()):
                    raise RestoreError(f"{name}: line {number} is not a row of the table {table.name}.")
                rows.append({**_from_json_row(table, row), **DERIVED.get(table.name, {})})
            self.connection.execute(insert(table), rows)
            self.row_counts[table.name] += len(rows)

    def _add_body(self, name: str, body: bytes) -> None:
        number, _, digest = name.removesuffix(".json").partition("-")
        if hashlib.sha256(body).hexdigest() != digest:
            raise RestoreError(f"proofs/{name}: the bytes do not match the digest; the backup is damaged.")
        self.proofs += 1
        try:
            document = archive_validate.read(body)
        except InvalidProofError as error:
            self._leave_out(int(number), f"proofs/{name}: {error}")
            return
        values = {"id": int(number), "digest": bytes.fromhex(digest), "body": archive_insert.pack(body)}
        if self.connection.execute(INSERT_BODY, {**values, "size": len(body)}).rowcount != 1:
            raise RestoreError(f"proofs/{name}: the backup has no such row in its table of proofs.")
        self.connection.execute(SET_STARTED, {"started": document.started, "id": int(number)})

    def _leave_out(self, proof: int, why: str) -> None:
        if self.left_out is None:
            raise RestoreError(f"{why} With --without-invalid the other proofs are restored.")
        self.connection.execute(text("DELETE FROM proof WHERE id = :id"), {"id": proof})
        self.invalid += 1
        self.left_out(f"left out {why}")


def _members(stream: IO[bytes], limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each member, then read to the end of the file, which has gzip's checksum."""
    with gzip.GzipFile(fileobj=stream, mode="rb") as compressed:
        with tarfile.open(fileobj=compressed, mode="r|", tarinfo=_Member) as tar:
            for member in tar:
                if member.size > limit:
                    raise RestoreError(
                        f"{member.name[:80]}: {member.size:,} bytes, and a member has {limit:,} at most."
                    )
                extracted = tar.extractfile(member)
                yield member.name, extracted.read() if extracted else b""
                tar.members = []  # type: ignore[attr-defined]  # the list of all members would grow with the file
        while compressed.read(tarfile.RECORDSIZE):
            pass


def _empty_fresh_ledger(connection: Connection) -> None:
    """Raise RestoreError for a ledger with data; delete the rows of one that was only started."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name not in backup.UNTOUCHED_TABLES]
    for table in tables:
        rows = connection.scalar(select(func.count()).select_from(table)) or 0
        if rows > FRESH_ROW_LIMITS.get(table.name, rows):
            raise RestoreError(f"This ledger has data already ({table.name}): restore into a new one.")
    for table in reversed(tables):
        connection.execute(delete(table))


def _check_header(connection: Connection, head: Any) -> None:
    if not isinstance(head, dict):
        raise RestoreError(DAMAGED)
    here, found = backup.revision(connection), str(head.get("revision"))[:32]
    if head.get("form") != backup.FORMAT_VERSION or found != here:
        raise RestoreError(
            f"The backup has revision {found}, and this ledger has {here}: restore it with the version"
            " that wrote it, then upgrade."
        )


def _from_json_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_json(table, name, value) for name, value in row.items()}


def _from_json(table: Table, name: str, value: Any) -> Any:
    if value is None:
        return None
    kind = table.columns[name].type
    if isinstance(kind, LargeBinary) or kind.python_type is bytes:
        return base64.b64decode(value)
    return datetime.fromisoformat(value) if kind.python_type is datetime else value
