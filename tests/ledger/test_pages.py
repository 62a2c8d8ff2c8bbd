"""The page, its twin, and what they say when the database does not."""

import re
from typing import TYPE_CHECKING

import pytest
from flask import request
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from tests.ledger.conftest import FakeStore

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AWAY = OperationalError("SELECT 1", {}, Exception("no route"))


def test_every_visit_counts(client: "FlaskClient") -> None:
    counts = [client.get("/index.json").json["visits"] for _ in range(3)]  # type: ignore[index]

    assert counts == [1, 2, 3]


def test_a_browser_gets_a_page_that_names_the_database(client: "FlaskClient") -> None:
    answer = client.get("/", headers={"Accept": BROWSER})

    assert answer.mimetype == "text/html"
    assert "11.8.0-fake" in answer.text
    assert "fake-host" in answer.text


def test_large_counts_are_readable(client: "FlaskClient", store: "FakeStore") -> None:
    store.visits = 1_234_566

    assert "1,234,567" in client.get("/").text


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
def test_accept_decides_the_form(client: "FlaskClient", accept: str, mimetype: str) -> None:
    answer = client.get("/", headers={"Accept": accept})

    assert answer.mimetype == mimetype
    assert answer.headers["Vary"] == "Accept"


def test_the_twin_says_the_same(client: "FlaskClient") -> None:
    assert client.get("/index.json").json == {
        "visits": 1,
        "database": {
            "host": "fake-host",
            "version": "11.8.0-fake",
            "database": "ledger",
            "account": "ledger@fake",
        },
    }


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_pages_need_nothing_inline_and_nothing_from_elsewhere(client: "FlaskClient", path: str) -> None:
    text = client.get(path).text

    assert not re.search(r"<script|<style|style=|\son\w+=|https?://", text)


def test_nothing_may_be_kept_by_a_cache_in_between(client: "FlaskClient") -> None:
    assert client.get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("trouble", [AWAY, FileNotFoundError("no password yet")])
def test_without_a_database_the_page_says_so(client: "FlaskClient", store: "FakeStore", trouble: Exception) -> None:
    store.trouble = trouble

    answer = client.get("/")

    assert answer.status_code == 503
    assert "does not answer at the moment" in answer.text


def test_a_program_gets_the_failure_as_a_document(client: "FlaskClient", store: "FakeStore") -> None:
    store.trouble = AWAY

    answer = client.get("/index.json")

    assert answer.status_code == 503
    assert answer.json["error"]["status"] == 503  # type: ignore[index]


def test_a_slow_database_does_not_hold_a_visitor(client: "FlaskClient", store: "FakeStore") -> None:
    store.slow.clear()

    assert client.get("/").status_code == 503
    store.slow.set()


def test_an_unknown_address_is_a_page_of_ours(client: "FlaskClient") -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert "There is no page at this address" in answer.text


def test_a_wrong_method_names_the_right_ones(client: "FlaskClient") -> None:
    answer = client.post("/", headers={"Accept": "application/json"})

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.mimetype == "application/json"


def test_a_mistake_of_ours_shows_no_trace(client: "FlaskClient", store: "FakeStore") -> None:
    store.trouble = ZeroDivisionError("secret detail")

    answer = client.get("/")

    assert answer.status_code == 500
    assert "secret detail" not in answer.text


def test_only_what_the_proxy_says_is_believed(app: "Flask") -> None:
    app.add_url_rule("/who", view_func=lambda: {"from": request.remote_addr, "host": request.host})
    claims = {
        "X-Forwarded-For": "192.0.2.1, 192.0.2.2",
        "X-Forwarded-Host": "a.example, b.example",
    }

    assert app.test_client().get("/who", headers=claims).json == {"from": "192.0.2.2", "host": "b.example"}
