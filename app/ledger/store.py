"""What the ledger keeps, and how it asks for it.

Visits are counted in several rows, one of which a process picks when it starts: processes that add at the same time
then do not wait for each other's row, and the sum is exact whenever it is read.
"""

import secrets
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import Connection, text

from ledger.database import engine_for, transaction
from ledger.settings import Settings

SHARDS: Final = 16  # rows that migration 0001 made

ADD: Final = text("UPDATE visits SET seen = seen + :more WHERE shard = :shard")
READ: Final = text("SELECT SUM(seen), @@hostname, @@version, DATABASE(), USER() FROM visits")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database said about itself, and the visits that it has counted."""

    visits: int
    host: str
    version: str
    database: str
    account: str


class Store(Protocol):
    """Where the visits are kept."""

    def count(self, more: int) -> Answer:
        """Add visits, and return the sum with the name of who keeps it, once it is on disk."""

    def ping(self) -> None:
        """Raise unless the database answers and has its tables."""

    def close(self) -> None:
        """Take leave of the database, so that it has no broken connection to report."""


class MariaDB:
    """The real store."""

    def __init__(self, settings: Settings) -> None:
        self._engine = engine_for(settings)
        self._shard = secrets.randbelow(SHARDS)

    def count(self, more: int) -> Answer:
        """Add visits, and return the sum with the name of who keeps it, once it is on disk."""
        return transaction(self._engine, lambda connection: self._add_and_read(connection, more))

    def ping(self) -> None:
        """Raise unless the database answers and has its tables."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM visits LIMIT 1"))

    def close(self) -> None:
        """Take leave of the database, so that it has no broken connection to report."""
        self._engine.dispose()

    def _add_and_read(self, connection: Connection, more: int) -> Answer:
        connection.execute(ADD, {"more": more, "shard": self._shard})
        visits, host, version, database, account = connection.execute(READ).one()
        return Answer(int(visits), host, version, database, account)
