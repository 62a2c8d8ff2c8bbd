"""The columns that are encrypted, and what is done with all of them: encrypt again, count what cannot be read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from ledger.encryption.keys import Keys, UnreadableError, keys_of, place_of_channel, place_of_factor

LOCK: Final = "ledger.keys"
LOCK_TIMEOUT: Final = 4  # seconds; less than the read time-out of a connection


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column of a table whose `key` names the row, and whose `owner` the place of the value."""

    table: str
    key: str
    owner: str
    column: str
    place: Callable[[int], str]

    @property
    def select(self) -> str:
        """The statement that reads and locks the values."""
        columns = f"{self.key} AS number, {self.owner} AS owner, {self.column} AS stored"
        return f"SELECT {columns} FROM {self.table} FOR UPDATE"  # noqa: S608 - names of ours

    @property
    def update(self) -> str:
        """The statement that writes one value."""
        return f"UPDATE {self.table} SET {self.column} = :stored WHERE {self.key} = :number"  # noqa: S608 - names of ours


COLUMNS: Final = (
    EncryptedColumn("channel", "id", "project_id", "target", place_of_channel),
    EncryptedColumn("channel", "id", "project_id", "secret", place_of_channel),
    EncryptedColumn("second_factor", "account_id", "account_id", "secret", place_of_factor),
)


def change_each(connection: Connection, change: Callable[[str, str], str]) -> int:
    """Write `change(stored, place)` in the place of each value; return how many could not be read."""
    unreadable = 0
    for column in COLUMNS:
        for row in connection.execute(text(column.select)).all():
            try:
                stored = change(row.stored, column.place(row.owner))
            except UnreadableError:
                unreadable += 1
                continue
            connection.execute(text(column.update), {"stored": stored, "number": row.number})
    return unreadable


def count_unreadable(connection: Connection) -> int:
    """Return how many stored secrets cannot be decrypted."""
    keys, count = keys_of(connection), 0
    for column in COLUMNS:
        for row in connection.execute(text(column.select.removesuffix(" FOR UPDATE"))).all():
            try:
                keys.decrypt(row.stored, column.place(row.owner))
            except UnreadableError:
                count += 1
    return count


def rotate(engine: Engine) -> int:
    """Encrypt each value with a new key; return how many could not be read.

    The key of before stays until the next rotation, for what another process was writing with it at this moment. When
    a value could not be read, all of them stay.
    """
    with engine.connect() as connection, _locked(connection) as keys:
        before = keys.read()
        keys.add_new()
        unreadable = change_each(connection, lambda stored, place: keys.encrypt(keys.decrypt(stored, place), place))
        connection.commit()
        if not unreadable:
            keys.replace([keys.read()[0], before[0]])
        return unreadable


def add(engine: Engine, given: list[str]) -> int:
    """Add keys behind those that there are; return how many values cannot be read now."""
    with engine.connect() as connection, _locked(connection) as keys:
        keys.replace(list(dict.fromkeys([*keys.read(), *given])))
        return count_unreadable(connection)


@contextmanager
def _locked(connection: Connection) -> Iterator[Keys]:
    """Let no other process change the keys; one that cannot wait gets TimeoutError."""
    if connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": LOCK, "seconds": LOCK_TIMEOUT}) != 1:
        raise TimeoutError(f"another process has been changing the keys for {LOCK_TIMEOUT} s")
    try:
        yield keys_of(connection)
    finally:
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK})
