"""Public pages and error pages."""

import re
from typing import TYPE_CHECKING

import pytest
from flask import request
from sqlalchemy.exc import OperationalError

from ledger import create_app
from ledger.authorization import Access, requires

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from tests.ledger.unit.conftest import FakeDatabase

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AWAY = OperationalError("SELECT 1", {}, Exception("no route"))


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("*/*", "text/html"),
        ("", "text/html"),
        (BROWSER, "text/html"),
    ],
)
def test_the_accept_header_decides_the_format(client: "FlaskClient", accept: str, mimetype: str) -> None:
    answer = client.get("/", headers={"Accept": accept})

    assert answer.mimetype == mimetype
    assert "Accept" in answer.headers["Vary"]


def test_the_front_page_asks_no_database(client: "FlaskClient", database: "FakeDatabase") -> None:
    database.trouble = AWAY

    assert client.get("/").status_code == 200
    assert client.get("/", headers={"Accept": "application/json"}).json == {"status": "up"}


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere"])
def test_pages_need_nothing_inline_and_nothing_from_elsewhere(client: "FlaskClient", path: str) -> None:
    text = client.get(path).text

    assert not re.search(r"<script|<style|style=|\son\w+=|https?://", text)


def test_proxies_may_not_cache_a_page(client: "FlaskClient") -> None:
    assert client.get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("trouble", [AWAY, FileNotFoundError("no password yet")])
def test_without_a_database_the_page_says_so(
    client: "FlaskClient", database: "FakeDatabase", trouble: Exception
) -> None:
    client.set_cookie("cloison_session", "of somebody")
    database.trouble = trouble

    answer = client.get("/account")

    assert answer.status_code == 503
    assert "does not answer at the moment" in answer.text


def test_a_program_gets_the_failure_as_a_document(client: "FlaskClient", database: "FakeDatabase") -> None:
    client.set_cookie("cloison_session", "of somebody")
    database.trouble = AWAY

    answer = client.get("/account", headers={"Accept": "application/json"})

    assert answer.status_code == 503
    assert answer.json["error"]["status"] == 503  # type: ignore[index]


def test_an_unknown_address_is_a_page_of_ours(client: "FlaskClient") -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert "There is no page at this address" in answer.text


def test_a_wrong_method_names_the_right_ones(client: "FlaskClient") -> None:
    answer = client.post("/", headers={"Accept": "application/json"})

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.mimetype == "application/json"


def test_an_internal_error_shows_no_traceback(client: "FlaskClient", database: "FakeDatabase") -> None:
    client.set_cookie("cloison_session", "of somebody")
    database.trouble = ZeroDivisionError("secret detail")

    answer = client.get("/account")

    assert answer.status_code == 500
    assert "secret detail" not in answer.text


def test_only_headers_of_the_proxy_are_trusted(app: "Flask") -> None:
    @requires(Access.PUBLIC)
    def who() -> dict[str, str | None]:
        return {"from": request.remote_addr, "host": request.host}

    app.add_url_rule("/who", view_func=who)
    claims = {
        "X-Forwarded-For": "192.0.2.1, 192.0.2.2",
        "X-Forwarded-Host": "a.example, b.example",
    }

    assert app.test_client().get("/who", headers=claims).json == {"from": "192.0.2.2", "host": "b.example"}


def test_a_view_that_does_not_say_which_access_it_requires_stops_the_application(
    database: "FakeDatabase", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("ledger.health.healthz.__access__")
    with pytest.raises(LookupError, match=r"health\.healthz does not say which access it requires"):
        create_app({"ENGINE": database.engine})
