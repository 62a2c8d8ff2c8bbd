"""The pages in front of a real database, asked directly or by a browser."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine, text
from tests.ledger.mariadb.accounts.conftest import QUICK, SampleLedger
from tests.ledger.mariadb.conftest import own_tables
from tests.ledger.mariadb.views.sample_history import HISTORY, history
from tests.ledger.sample_proofs import add_project
from werkzeug.serving import make_server

from ledger import create_app
from ledger.accounts.passwords import Passwords
from ledger.archive.store import Archive

# What the proxy sends with every answer.
(POLICY,) = re.findall(
    r'Content-Security-Policy "([^"]+)"', (Path(__file__).parents[4] / "proxy" / "nginx.conf").read_text("utf-8")
)


Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def stored_rows() -> Rows:
    """The rows of the archive below, table by table, once a test of the module has had it written."""
    return {}


@pytest.fixture
def archive(engine: Engine, stored_rows: Rows) -> Archive:
    """Return an archive with a project that has a life, and two that have none."""
    archive = Archive(engine)
    if stored_rows:
        insert_rows(engine, stored_rows)
        return archive
    for name in ("shop", "new", "secret"):
        add_project(engine, name)
    for body in history(HISTORY[-14:]):
        archive.save("shop", body)
    stored_rows |= read_rows(engine)
    return archive


def read_rows(engine: Engine) -> Rows:
    """Read every table in which a test finds rows that a test wrote."""
    with engine.connect() as connection:
        tables = {name: connection.execute(text(f"SELECT * FROM `{name}`")) for name in own_tables(engine)}  # noqa: S608 - the name is the database's own
        return {name: [dict(row) for row in rows.mappings()] for name, rows in tables.items()}


def insert_rows(engine: Engine, stored: Rows) -> None:
    """Write rows that were read before: this takes a tenth of the time in which the archive writes them."""
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for name, rows in stored.items():
            if rows:
                columns = ", ".join(f"`{column}`" for column in rows[0])
                values = ", ".join(f":{column}" for column in rows[0])
                connection.execute(text(f"INSERT INTO `{name}` ({columns}) VALUES ({values})"), rows)  # noqa: S608 - as above
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


@pytest.fixture
def world(engine: Engine, archive: Archive) -> SampleLedger:
    """Return the ledger with ada, who reads two projects, bob, who reads none, and root."""
    made = SampleLedger(create_app({"ENGINE": engine, "PASSWORDS": Passwords(QUICK)}), engine)
    made.add("ada", "shop", "new")
    made.add("bob")
    made.add("root", is_administrator=True)
    return made


@pytest.fixture
def app(world: SampleLedger) -> Flask:
    return world.app


@pytest.fixture
def client(world: SampleLedger) -> FlaskClient:
    """Return ada's browser."""
    return world.browser_of("ada").client


@pytest.fixture
def root(world: SampleLedger) -> FlaskClient:
    """Return an administrator's browser."""
    return world.browser_of("root").client


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Serve the pages with the proxy's policy, and return where."""

    @app.after_request
    def with_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")  # its loop runs while it is open, and nobody else may run one
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()
