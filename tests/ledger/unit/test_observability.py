"""The request log, request ids and metrics."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, g
from sqlalchemy import create_engine, text

from ledger import observability
from ledger.authorization import Access, requires
from ledger.observability import logs, sql_comments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

NUMBER = "0123456789abcdef" * 2
SECRETS = ("open-sesame", "clo_secret", "session=abc", "key-of-a-badge")


class Lines(logging.Handler):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.JSONFormatter())
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.written.append(self.format(record))

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Return the lines as what they say."""
        return [json.loads(line) for line in self.written]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger("ledger").addHandler(handler)
    yield handler
    logging.getLogger("ledger").removeHandler(handler)


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)
    app.extensions["engine"] = create_engine("sqlite://")
    asked: list[str] = app.extensions.setdefault("asked", [])
    observability.init_app(app)

    @app.route("/ask/<name>", methods=["GET", "POST"])
    @requires(Access.PUBLIC)
    def ask(name: str) -> str:
        engine = app.extensions["engine"]
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        asked.append(g.request_id)
        return name

    @app.get("/fail")
    @requires(Access.PUBLIC)
    def fail() -> str:
        raise RuntimeError("a mistake")

    return app.test_client()


def test_a_request_has_one_line(client: FlaskClient, lines: Lines) -> None:
    client.get("/ask/db?limit=1", headers={"X-Request-ID": NUMBER})
    (line,) = lines.documents

    assert (NUMBER, "GET", "/ask/<name>", 200, 1) == tuple(
        line[name] for name in ("request_id", "method", "route", "status", "statements")
    )
    assert line["ms"] >= line["database_ms"] >= 0


@pytest.mark.parametrize("given", ["", "1; DROP TABLE proof", "*/ SELECT", "A" * 32, "0" * 33])
def test_an_invalid_request_id_is_replaced(client: FlaskClient, lines: Lines, given: str) -> None:
    client.get("/ask/db", headers={"X-Request-ID": given})
    (line,) = lines.documents

    assert given != line["request_id"]
    assert 32 == len(line["request_id"])


def test_no_secret_is_logged(client: FlaskClient, lines: Lines) -> None:
    client.post(
        f"/ask/{SECRETS[3]}?password={SECRETS[0]}",
        data={"password": SECRETS[0]},
        headers={"Authorization": f"Bearer {SECRETS[1]}", "Cookie": SECRETS[2]},
    )

    assert lines.written
    assert not [secret for secret in SECRETS if secret in "".join(lines.written)]


def test_health_checks_are_not_logged(client: FlaskClient, lines: Lines) -> None:
    assert 200 == client.get("/metrics").status_code
    assert [] == lines.written


def test_a_traceback_is_logged_in_one_line(client: FlaskClient, lines: Lines) -> None:
    logging.getLogger("ledger").error("oh", exc_info=RuntimeError("a mistake"))
    client.get("/fail")

    assert "a mistake" in lines.documents[0]["trace"]
    assert 500 == lines.documents[-1]["status"]


def test_each_sql_statement_has_the_request_id() -> None:
    app = Flask(__name__)
    engine = create_engine("sqlite://")
    sql_comments.init_app(engine)
    seen: list[str] = []

    from sqlalchemy import event  # noqa: PLC0415 - beside what it listens to

    event.listen(engine, "after_cursor_execute", lambda *said: seen.append(said[2]))
    with app.test_request_context():
        g.request_id = NUMBER
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 2"))

    assert [f"SELECT /* request {NUMBER} */ 1", "SELECT 2"] == seen


def test_requests_are_counted_by_route(client: FlaskClient) -> None:
    client.get("/ask/db")
    client.get("/nowhere/at/all")
    figures = client.get("/metrics").text

    assert 'ledger_requests_total{method="GET",route="/ask/<name>",status="200"}' in figures
    assert 'route="none",status="404"' in figures
    assert "/nowhere" not in figures
    assert "ledger_request_seconds_bucket" in figures
