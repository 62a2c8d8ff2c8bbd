"""The ledger with an empty database that a test can make fail or block."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.pool import StaticPool

from ledger import create_app
from ledger.accounts.passwords import Passwords
from ledger.settings import Settings

QUICK = PasswordHasher(memory_cost=8, time_cost=1, parallelism=1)


class FakeDatabase:
    """SQLite in memory; every query raises `trouble` while it is set, and blocks while `slow` is cleared."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.slow = threading.Event()
        self.slow.set()
        self._asking = 0
        self._changed = threading.Condition()
        self.engine: Engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        event.listen(self.engine, "before_cursor_execute", self._answer)
        event.listen(self.engine, "checkout", lambda *_: self._count(1))
        event.listen(self.engine, "checkin", lambda *_: self._count(-1))

    def close(self) -> None:
        """Close it when nobody asks any more: SQLite does not bear that a connection is closed under a question."""
        self.slow.set()
        with self._changed:
            assert self._changed.wait_for(lambda: not self._asking, 10)
        self.engine.dispose()

    def _count(self, more: int) -> None:
        with self._changed:
            self._asking += more
            self._changed.notify_all()

    def _answer(self, *_: Any) -> None:
        self.slow.wait(5)
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Make settings from LEDGER_* values, with waits short enough for a test."""

    def make(**values: str) -> Settings:
        return Settings.from_environment({"LEDGER_READY_PATIENCE": "0.2", **values})

    return make


@pytest.fixture
def database() -> Iterator[FakeDatabase]:
    made = FakeDatabase()
    yield made
    made.close()


@pytest.fixture
def app(database: FakeDatabase, settings: Callable[..., Settings]) -> Flask:
    return create_app({"ENGINE": database.engine, "SETTINGS": settings(), "PASSWORDS": Passwords(QUICK)})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
