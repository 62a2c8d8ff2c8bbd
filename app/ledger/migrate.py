"""Migrates the tables to the newest revision, also when several replicas start at once.

Rule: MariaDB commits each DDL statement on its own, so concurrent migrations would conflict. A named lock (GET_LOCK)
lets one replica migrate while the others wait; it is held until the last change is committed. The lock exists on one
server only: with a Galera cluster, run `python -m ledger migrate` before the replicas start.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from ledger.archive import rebuild

LOCK: Final = "ledger.migrate"
LOCK_TIMEOUT: Final = 60  # seconds for another replica's migration


def migrate(engine: Engine) -> None:
    """Upgrade to the newest revision."""
    with engine.connect() as connection:
        _lock(connection)
        connection.commit()  # Alembic commits only a transaction that it has begun itself
        try:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            rebuild.rebuild_stale(engine)
        finally:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK})
            connection.commit()


def _lock(connection: Connection) -> None:
    # GET_LOCK waits for one second at a time, because a longer wait would exceed the read time-out of the socket.
    for _ in range(LOCK_TIMEOUT):
        if connection.scalar(text("SELECT GET_LOCK(:name, 1)"), {"name": LOCK}) == 1:
            return
    raise TimeoutError(f"another replica has been migrating for {LOCK_TIMEOUT} s")


def migrate_when_reachable(
    engine: Engine, timeout: float, log: Callable[[str], None], *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Migrate as soon as the database answers; raise its last error after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    last_reason = ""
    while True:
        try:
            return migrate(engine)
        except (SQLAlchemyError, OSError) as error:
            if time.monotonic() > deadline:
                raise
            reason = str(getattr(error, "orig", None) or error)
            if reason != last_reason:  # once for each reason, not for each try
                log(f"waiting for the database: {reason}")
                last_reason = reason
        pause(0.5)
