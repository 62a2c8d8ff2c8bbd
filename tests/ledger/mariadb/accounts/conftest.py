"""The ledger on a real database, with people in it and a browser for each."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine
from werkzeug.test import TestResponse

from ledger import clock as ledger_clock
from ledger import create_app
from ledger.accounts import audit, projects, tokens, users
from ledger.accounts.passwords import Passwords
from ledger.accounts.tables import ACCOUNT
from ledger.database import transaction

QUICK = PasswordHasher(memory_cost=8, time_cost=1, parallelism=1)
PASSWORD = "four words without sense"
CHOSEN = "another four words at least"


@dataclass
class Browser:
    """Somebody's browser: it sends back what a form's page gave it."""

    client: FlaskClient
    address: str = "192.0.2.1"
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **extra: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(path, headers=self._headers(extra), **extra)

    def send(self, path: str, *, page: str = "", **fields: Any) -> TestResponse:
        """Open the page of a form, fill it in, and send it."""
        given = {"csrf": self.form_token(page or path), **fields}
        return self.client.post(path, data=given, headers=self._headers({}))

    def form_token(self, page: str) -> str:
        """Return what the page's form carries."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get(page).text)
        assert found, f"{page} has no form"
        return found[1]

    def log_in(self, name: str, password: str = PASSWORD, way: str = "") -> TestResponse:
        """Log in."""
        return self.send("/login", name=name, password=password, next=way)

    def _headers(self, extra: dict[str, Any]) -> dict[str, str]:
        return {"X-Forwarded-For": self.address, "Accept": "text/html", **self.headers, **extra.pop("headers", {})}


@dataclass
class SampleLedger:
    """Two projects, and who may do what with them."""

    app: Flask
    engine: Engine

    def do(self, work: Callable[[Connection], Any]) -> Any:
        """Do something in the database."""
        return transaction(self.engine, work)

    def add(self, name: str, *reads: str, is_administrator: bool = False) -> int:
        """Add an account."""
        hashed = QUICK.hash(PASSWORD)

        def work(connection: Connection) -> int:
            number = users.add(connection, name, hashed, is_administrator=is_administrator, now=ledger_clock.now())
            users.set_readable_projects(connection, number, reads)
            return number

        return int(self.do(work))

    def token(self, project: str, name: str, **scopes: Any) -> str:
        """Make a token."""
        may = {"may_read": False, "may_write": False, **scopes}
        made: str = self.do(lambda c: tokens.create(c, project, name, **may, now=ledger_clock.now()))
        return made

    def browser(self, address: str = "192.0.2.1") -> Browser:
        """Return the browser of nobody in particular."""
        return Browser(self.app.test_client(), address)

    def remove_accounts(self) -> None:
        """Let there be no account."""
        self.do(lambda connection: connection.execute(ACCOUNT.delete()))

    def browser_of(self, name: str, password: str = PASSWORD) -> Browser:
        """Return a browser in which somebody has logged in."""
        browser = self.browser()
        assert browser.log_in(name, password).status_code == 303
        return browser

    def browser_of_new(self, name: str, password: str) -> Browser:
        """Return a browser in which somebody has logged in with a given password, and chosen another."""
        browser = self.browser_of(name, password)
        chosen = browser.send("/account", password=password, new=CHOSEN, again=CHOSEN)
        assert chosen.status_code == 303
        return browser

    def log(self) -> list[tuple[str, str, str]]:
        """Return who did what about what, the oldest first."""
        return [(line.who, line.what, line.about) for line in reversed(self.entries())]

    def entries(self) -> list[audit.AuditEntry]:
        """Return the audit log, the newest first."""
        found: list[audit.AuditEntry] = self.do(audit.read)
        return found


@pytest.fixture
def world(engine: Engine) -> SampleLedger:
    app = create_app({"ENGINE": engine, "PASSWORDS": Passwords(QUICK)})
    made = SampleLedger(app, engine)
    for name in ("ours", "theirs"):
        made.do(functools.partial(projects.add, name=name, now=ledger_clock.now()))
    made.add("ada", is_administrator=True)
    made.add("rita", "ours")
    made.add("theo", "theirs")
    return made
