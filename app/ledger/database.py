"""Connections to MariaDB, transactions, and the errors after which a transaction is retried.

Rules:
- A connection from the pool is tested before it is used, and every wait has a time-out.
- The password is read again for every new connection, because the database gets a new one at each start.
- READ COMMITTED: since 11.6, InnoDB under REPEATABLE READ reports a row that changed since the snapshot (error 1020).
- A transaction is retried as a whole or not at all. After a connection that was lost before COMMIT the server rolls
  back, so the work can be repeated. After one that was lost during COMMIT the result is unknown, so it is not repeated.
- No TLS: the connection stays on backend_net, which is internal, and the password is never sent in clear text. A
  connection with TLS takes more than twenty times as long to open.

https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pymysql.constants import CR, ER
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.encryption.keys import OPTION, Keys
from ledger.settings import Settings

T = TypeVar("T")

# InnoDB has rolled back the whole transaction.
RETRYABLE: Final = frozenset({ER.CHECKREAD, ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT})
# The connection is lost; the server rolls back the transaction.
CONNECTION_LOST: Final = frozenset({CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR, 0, 1927})
# The disk is full, or the server is read-only because little space is left (db/start.sh).
DISK_FULL_CODES: Final = frozenset({ER.DISK_FULL, ER.RECORD_FILE_FULL, ER.OPTION_PREVENTS_STATEMENT})
TRIES: Final = 4
FIRST_BACKOFF: Final = 0.02  # seconds; doubles with every try


def engine_for(settings: Settings) -> Engine:
    """Return a pool of connections; none is opened yet."""
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
        execution_options={OPTION: Keys(settings.key_file)},
        hide_parameters=True,  # an error may be logged, and a parameter may be a secret
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
    """Do `work` in one transaction, commit it, and return its result."""
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
    """Raise SQLAlchemyError or OSError unless the database answers and has its tables."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM alembic_version"))


def code(error: DBAPIError) -> int | None:
    """Return MariaDB's error number, or None."""
    args = getattr(error.orig, "args", ())
    return args[0] if isinstance(error, OperationalError) and args and isinstance(args[0], int) else None
