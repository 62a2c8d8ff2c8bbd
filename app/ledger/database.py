"""Connections to MariaDB, transactions, and the errors after which a transaction is retried.

Rules:
- A connection that was unused for a second is tested before it is used, and every wait has a time-out.
- The password is read again for every new connection, because the database gets a new one at each start.
- READ COMMITTED: since 11.6, InnoDB under REPEATABLE READ reports a row that changed since the snapshot (error 1020).
- A query of `reader` is one statement sent to the server and nothing else: no BEGIN, no ROLLBACK. Any other connection
  begins a transaction with its first statement.
- A transaction is retried as a whole or not at all. After a connection that was lost before COMMIT the server rolls
  back, so the work can be repeated. After one that was lost during COMMIT the result is unknown, so it is not repeated.
- No TLS: the connection stays on backend_net, which is internal, and the password is never sent in clear text. A
  connection with TLS takes more than twenty times as long to open.

https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
"""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pymysql
from pymysql.constants import CR, ER, SERVER_STATUS
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError

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
TESTED_AFTER: Final = 1.0  # seconds without use, after which a connection is tested
LAST_USE: Final = "last_use"  # of a connection of the pool: time.monotonic()
READER: Final = "reader"


class DatabaseConnection(pymysql.Connection):
    """A connection that sends ROLLBACK only while the server has a transaction open, as its last response says.

    https://mariadb.com/docs/server/reference/clientserver-protocol/4-server-response-packets/ok_packet
    """

    def rollback(self) -> None:
        """Roll back the transaction, if there is one."""
        if self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:  # type: ignore[attr-defined]  # the stubs lack it
            super().rollback()


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
            "autocommit": True,  # see _begin
            "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        },
        execution_options={OPTION: Keys(settings.key_file)},
        hide_parameters=True,  # an error may be logged, and a parameter may be a secret
        pool_size=settings.threads,
        max_overflow=0,
        pool_timeout=settings.db_timeout,
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> DatabaseConnection:
        password = settings.db_password_file.read_text(encoding="utf-8").rstrip("\n")
        return DatabaseConnection(**parameters, password=password)

    event.listen(engine, "begin", _begin)
    event.listen(engine, "checkout", _test_if_unused)
    event.listen(engine, "checkin", _note_use)
    return engine


def reader(engine: Engine) -> Engine:
    """Return the same pool for queries that need no transaction: each sees what is committed when it is sent."""
    return engine.execution_options(**{READER: True})


def _begin(connection: Connection) -> None:
    """Begin a transaction on the server, unless the connection is one of `reader`."""
    if not connection.get_execution_options().get(READER):
        connection.exec_driver_sql("BEGIN")


def _note_use(_connection: Any, record: Any) -> None:
    record.info[LAST_USE] = time.monotonic()


def _test_if_unused(connection: DatabaseConnection, record: Any, _proxy: Any) -> None:
    """Test a connection that the server may have closed meanwhile; if it has, the pool opens new ones."""
    if time.monotonic() - record.info.get(LAST_USE, float("inf")) < TESTED_AFTER:
        return
    try:
        connection.ping(reconnect=False)
    except pymysql.err.Error as error:
        raise InvalidatePoolError from error


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
