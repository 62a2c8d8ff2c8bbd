"""The ledger with a database that is a number."""

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledger import create_app
from ledger.settings import Settings
from ledger.store import Answer


class FakeStore:
    """Counts in memory; `trouble` is raised by whatever is asked while it is set, `slow` holds every answer back."""

    def __init__(self) -> None:
        self.visits = 0
        self.commits = 0
        self.trouble: Exception | None = None
        self.asked = threading.Event()
        self.slow = threading.Event()
        self.slow.set()

    def count(self, more: int) -> Answer:
        """Add."""
        self.asked.set()
        self._answer()
        self.visits += more
        self.commits += 1
        return Answer(self.visits, "fake-host", "11.8.0-fake", "ledger", "ledger@fake")

    def ping(self) -> None:
        """Answer or not."""
        self._answer()

    def close(self) -> None:
        """Be seen to be closed."""
        self.commits = -1

    def _answer(self) -> None:
        self.slow.wait(5)
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Make settings from LEDGER_* values, with waits short enough for a test."""

    def make(**values: str) -> Settings:
        short = {"LEDGER_PAGE_PATIENCE": "0.2", "LEDGER_READY_PATIENCE": "0.2"}
        return Settings.from_environment({**short, **values})

    return make


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def app(store: FakeStore, settings: Callable[..., Settings]) -> Flask:
    return create_app({"STORE": store, "SETTINGS": settings()})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
