"""The errors after which a transaction is retried."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql.err
import pytest
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import StaticPool

from ledger.database import TRIES, code, engine_for, transaction

if TYPE_CHECKING:
    from ledger.settings import Settings


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    yield engine
    engine.dispose()


def failure(number: int) -> OperationalError:
    return OperationalError("UPDATE", {}, pymysql.err.OperationalError(number, "seen on a real server"))


class Failing:
    """Work that fails so many times before it succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, connection: Connection) -> str:
        """Work."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        connection.exec_driver_sql("SELECT 1")
        return "done"


@pytest.mark.parametrize("number", [1020, 1213, 1205, 2013, 2006])
def test_a_rolled_back_transaction_is_retried(engine: Engine, number: int) -> None:
    work = Failing(failure(number), failure(number))
    pauses: list[float] = []

    assert transaction(engine, work, pause=pauses.append) == "done"
    assert work.calls == 3
    assert pauses == [0.02, 0.04]


def test_retries_have_a_limit(engine: Engine) -> None:
    work = Failing(*[failure(1213)] * 10)
    with pytest.raises(OperationalError):
        transaction(engine, work, pause=lambda _: None)

    assert work.calls == TRIES


@pytest.mark.parametrize("error", [failure(1045), IntegrityError("INSERT", {}, Exception()), KeyError()])
def test_a_permanent_error_is_not_retried(engine: Engine, error: Exception) -> None:
    work = Failing(error)
    with pytest.raises(type(error)):
        transaction(engine, work, pause=lambda _: None)

    assert work.calls == 1


@pytest.mark.parametrize(("number", "calls"), [(1213, 2), (2013, 1)])
def test_a_connection_lost_during_commit_is_not_retried(engine: Engine, number: int, calls: int) -> None:
    errors = [failure(number)]

    @event.listens_for(engine, "commit")
    def _fail(_connection: Any) -> None:
        if errors:
            raise errors.pop()

    work = Failing()
    with contextlib.suppress(OperationalError):
        transaction(engine, work, pause=lambda _: None)

    assert work.calls == calls


def test_an_error_without_a_code_has_none() -> None:
    assert code(OperationalError("SELECT", {}, Exception("text"))) is None


def test_the_password_is_read_for_every_connection(tmp_path: Path, settings: "Callable[..., Settings]") -> None:
    secret = tmp_path / "db_password"
    engine = engine_for(settings(LEDGER_DB_HOST="127.0.0.1", LEDGER_DB_PORT="1", LEDGER_DB_PASSWORD_FILE=str(secret)))
    with pytest.raises(FileNotFoundError):
        engine.connect()
    secret.write_text("now it is there\n", encoding="utf-8")

    with pytest.raises(OperationalError) as refused:
        engine.connect()
    assert code(refused.value) == 2003
    assert "now it is there" not in str(refused.value)
