"""Connections to MariaDB, transactions on them, and which failures are worth another try.

Rules:
- A connection that waited in the pool is asked whether it lives before it is used; every wait has an end.
- The password is read again for every new connection, because the database makes a new one at each of its starts.
- READ COMMITTED: since 11.6 InnoDB refuses (error 1020) what REPEATABLE READ used to overwrite in silence.
- A transaction is retried as a whole or not at all. A connection lost while the work was going on took the work
  with it, so the work may be done again. One lost during COMMIT leaves open whether it was done, so it may not.
- No TLS: the connection never leaves backend_net, which is internal, and the account's password never crosses it in
  clear. Setting TLS up costs more than twenty times what connecting without it does.
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pymysql.constants import CR, ER
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.settings import Settings

T = TypeVar("T")

# InnoDB undid the whole transaction and says: again.
RETRYABLE: Final = frozenset({ER.CHECKREAD, ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT})
# The connection is gone, and with it everything that was not committed.
CONNECTION_LOST: Final = frozenset({CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR, 0, 1927})
# No room for a row; the last is what a database says that keeps the room it has left (db/start.sh).
DISK_FULL_CODES: Final = frozenset({ER.DISK_FULL, ER.RECORD_FILE_FULL, ER.OPTION_PREVENTS_STATEMENT})
TRIES: Final = 4
FIRST_BACKOFF: Final = 0.02  # seconds; doubled from try to try


def engine_for(settings: Settings) -> Engine:
    """Return a pool of connections; nothing is opened yet."""
    engine = create_engine(
        URL.create(
            "mysql+pymysql",
            username=settings.db_user,
            host=settings.db_host,
            port=settings.db_port,
            database=settings.db_name,
            query={"charset": "utf8mb4"},
        ),
        connect_args={
            "ssl_disabled": True,
            "connect_timeout": min(settings.db_timeout, 3),
            "read_timeout": settings.db_timeout,
            "write_timeout": settings.db_timeout,
        },
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # an error may be logged, and what was to be stored may be a secret
        pool_pre_ping=True,
        pool_size=settings.threads,
        max_overflow=0,
        pool_timeout=settings.db_timeout,
    )

    @event.listens_for(engine, "do_connect")
    def _read_password(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters["password"] = settings.db_password_file.read_text(encoding="utf-8").rstrip("\n")

    return engine


def transaction(engine: Engine, work: Callable[[Connection], T], *, pause: Callable[[float], None] = time.sleep) -> T:
    """Do `work` in one transaction and return its result, committed."""
    for attempt in range(TRIES):
        if attempt:
            pause(FIRST_BACKOFF * 2 ** (attempt - 1))
        with engine.connect() as connection:
            try:
                result = work(connection)
            except DBAPIError as error:
                if attempt + 1 < TRIES and code(error) in RETRYABLE | CONNECTION_LOST:
                    continue
                raise
            try:
                connection.commit()
            except DBAPIError as error:
                if attempt + 1 < TRIES and code(error) in RETRYABLE:
                    continue
                raise
            return result
    raise AssertionError("the last try returns or raises")  # pragma: no cover


def ping(engine: Engine) -> None:
    """Raise unless the database answers and has its tables."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM alembic_version"))


def code(error: DBAPIError) -> int | None:
    """Return MariaDB's number for a failure, None when it has none."""
    args = getattr(error.orig, "args", ())
    return args[0] if isinstance(error, OperationalError) and args and isinstance(args[0], int) else None
