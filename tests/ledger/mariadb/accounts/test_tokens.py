"""Tokens of projects, and the responses to programs."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pymysql.err
import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from ledger import clock as ledger_clock
from ledger.accounts import tokens
from ledger.accounts.tables import TOKEN
from ledger.authorization import Access, Principal, principal, requires

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from tests.ledger.mariadb.accounts.conftest import SampleLedger
    from werkzeug.test import TestResponse

WHO: list[Principal] = []
WRITES: Final = re.compile(
    r"^(?:UPDATE|INSERT)(?: /\*.*?\*/)?(?: INTO)? (\w+)"
)  # the number of the request may be in it


@pytest.fixture
def program(world: "SampleLedger") -> "FlaskClient":
    """Return a client of an application that has one route for tokens that read, and one for those that write."""

    @requires(Access.READ_TOKEN)
    def reading() -> str:
        WHO.append(principal())
        return principal().project

    @requires(Access.WRITE_TOKEN)
    def writing() -> str:
        return principal().project

    world.app.add_url_rule("/reading", view_func=reading)
    world.app.add_url_rule("/writing", view_func=writing, methods=["POST"])
    return world.app.test_client()


def ask(client: "FlaskClient", header: str, path: str = "/reading") -> "TestResponse":
    """Ask with an Authorization header."""
    headers = {"Authorization": header, "Accept": "application/json"}
    return client.open(path, method="GET" if path == "/reading" else "POST", headers=headers)


def test_a_token_gives_access_to_its_project(world: "SampleLedger", program: "FlaskClient") -> None:
    reads, writes = world.token("ours", "r", may_read=True), world.token("ours", "w", may_write=True)

    assert ask(program, f"Bearer {reads}").text == "ours"
    number = world.do(lambda c: tokens.of_project(c, "ours"))[-1].id
    assert WHO[-1] == Principal("token ours/r", is_user=False, reads=frozenset({"ours"}), token_id=number)
    assert ask(program, f"bearer  {writes}", "/writing").text == "ours"
    assert ask(program, f"Bearer {reads}", "/writing").status_code == 403
    assert ask(program, f"Bearer {writes}").status_code == 403


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer clo_no", "Bearer x", "Basic cml0YTp4", "Bearer clo_\xe9"])
def test_an_invalid_token_is_reported(world: "SampleLedger", program: "FlaskClient", header: str) -> None:
    answer = ask(program, header)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer realm=ledger"
    assert "Authorization: Bearer clo_" in answer.json["error"]["detail"]  # type: ignore[index]


def test_a_session_is_not_a_token_and_a_token_is_not_a_session(world: "SampleLedger", program: "FlaskClient") -> None:
    token = world.token("ours", "both", may_read=True, may_write=True)
    browser = world.browser_of("ada")

    assert browser.get("/reading").status_code == 401
    assert browser.get("/account", headers={"Authorization": f"Bearer {token}"}).status_code == 303


def test_a_revoked_token_is_not_valid(world: "SampleLedger", program: "FlaskClient") -> None:
    token = world.token("ours", "r", may_read=True)
    assert ask(program, f"Bearer {token}").status_code == 200
    world.do(lambda c: tokens.revoke(c, tokens.of_project(c, "ours")[0].id, ledger_clock.now()))

    assert ask(program, f"Bearer {token}").status_code == 401


def test_a_use_is_recorded_once_a_minute(world: "SampleLedger", program: "FlaskClient") -> None:
    token = world.token("ours", "r", may_read=True)
    written: list[str] = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def _see(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        table = WRITES.search(statement)
        if table:
            written.append(table[1])

    for _ in range(5):
        ask(program, f"Bearer {token}")
    assert written == ["token", "audit"]  # the first use is told, too

    world.do(lambda c: c.execute(update(TOKEN).values(last_used=ledger_clock.now() - timedelta(seconds=61))))
    written.clear()
    for _ in range(5):
        ask(program, f"Bearer {token}")
    event.remove(world.engine, "before_cursor_execute", _see)

    assert written == ["token"]
    assert world.log() == [("token ours/r", "used token for the first time", "ours/r")]


def test_a_database_that_cannot_be_written_can_still_be_read(world: "SampleLedger", program: "FlaskClient") -> None:
    token = world.token("ours", "r", may_read=True)

    @event.listens_for(world.engine, "before_cursor_execute")
    def _full(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if WRITES.search(statement):
            raise OperationalError(statement, {}, pymysql.err.OperationalError(1114, "The table is full"))

    try:
        assert ask(program, f"Bearer {token}").status_code == 200
    finally:
        event.remove(world.engine, "before_cursor_execute", _full)


def test_a_token_is_shown_once_and_not_stored(world: "SampleLedger") -> None:
    browser = world.browser_of("ada")
    page = browser.send("/admin/tokens", project="ours", name="ci of ours", may_write="1").text
    token = page.partition('class="secret"')[2].partition(">")[2].partition("<")[0]
    found = world.do(lambda c: tokens.find(c, token))

    assert (found.project, found.name, found.may_read, found.may_write) == ("ours", "ci of ours", False, True)
    assert len(token) == len("clo_") + 43
    assert token not in browser.get("/admin/tokens").text
    assert token not in str(world.log())
    assert token.encode() not in world.do(lambda c: c.scalar(TOKEN.select().with_only_columns(TOKEN.c.hash)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"project": "nowhere", "name": "x", "may_read": "1"}, "There is no project nowhere."),
        ({"project": "ours", "name": "", "may_read": "1"}, "A token&#39;s name has 1 to 63"),
        ({"project": "ours", "name": "x"}, "choose one or both"),
        ({"project": "ours", "name": "there", "may_read": "1"}, "ours has a token there already"),
    ],
)
def test_an_invalid_token_request_is_reported(world: "SampleLedger", fields: dict[str, str], told: str) -> None:
    world.token("ours", "there", may_read=True)
    answer = world.browser_of("ada").send("/admin/tokens", **fields)

    assert answer.status_code == 422
    assert told in answer.text


def test_revoking_is_one_button(world: "SampleLedger") -> None:
    token = world.token("ours", "r", may_read=True)
    browser = world.browser_of("ada")
    number = world.do(lambda c: tokens.find(c, token)).id
    browser.send(f"/admin/tokens/{number}/revoke", page="/admin/tokens")

    assert world.do(lambda c: tokens.find(c, token)) is None
    assert "revoked <time" in browser.get("/admin/tokens?project=ours").text
    assert world.log()[-1] == ("ada", "revoked token", "ours/r")
