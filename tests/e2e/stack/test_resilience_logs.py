"""What the containers write down and count: every request with its number, and no secret, whatever is sent."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.stack.conftest import SERVICES, run, soon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack.conftest import LedgerProject, Stack

pytestmark = pytest.mark.stack

NUMBER = re.compile(r"[0-9a-f]{32}")
MINE = "0123456789abcdef" * 2  # what a client would like its number to be
FIELD = re.compile(r'name="csrf" value="([^"]+)"')


def said_since(stack: Stack, moment: str, *services: str) -> list[str]:
    """Return what containers wrote since a moment."""
    done = [run("docker", "logs", "--since", moment, stack.name(service)) for service in services]
    return [line for each in done for line in (each.stdout + each.stderr).splitlines()]


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def lines_of(stack: Stack, moment: str, number: str) -> dict[str, dict[str, object]]:
    """Return the lines of a request, by who wrote them; they may take a moment to get there."""
    found: dict[str, dict[str, object]] = {}

    def all_there() -> bool:
        for line in said_since(stack, moment, "app", "proxy"):
            if number in line:
                document = json.loads(line)
                found[document["logger"]] = document
        return len(found) > 1

    soon(all_there, f"both lines of {number}", 5)
    return found


@pytest.fixture
def general_log(stack: Stack) -> Iterator[None]:
    """Let the database write down every statement."""
    stack.as_root("SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = ON")
    yield
    stack.as_root("SET GLOBAL general_log = OFF; SET GLOBAL log_output = 'FILE'; TRUNCATE mysql.general_log")


@pytest.mark.usefixtures("general_log")
def test_a_number_leads_from_the_answer_to_the_statements(shop: LedgerProject) -> None:
    shop.add()  # the use of the token is written down once a minute, and not again for the next proof
    stack, moment = shop.stack, now()
    answer = shop.send(shop.body(), X_Request_ID=MINE)
    number = answer.headers["X-Request-ID"]
    lines = lines_of(stack, moment, number)
    asked = f"SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE '%/* request {number} */%'"  # noqa: S608
    statements = int(stack.as_root(f"{asked} AND argument NOT LIKE '%mysql.general_log%'"))

    assert answer.status == 201
    assert NUMBER.fullmatch(number)
    assert number != MINE
    assert lines["proxy"]["path"] == "/api/v1/proofs"
    assert (lines["proxy"]["method"], lines["proxy"]["status"]) == ("POST", 201)
    assert (lines["ledger.requests"]["route"], lines["ledger.requests"]["status"]) == ("/api/v1/proofs", 201)
    assert statements == lines["ledger.requests"]["statements"]
    assert statements > 3


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/metrics", 404)])
def test_an_error_page_tells_the_number(stack: Stack, path: str, status: int) -> None:
    page, document = stack.get(path), stack.get(path, Accept="application/json")

    assert page.status == document.status == status
    assert page.headers["X-Request-ID"] in page.text
    assert document.document["error"]["request_id"] == document.headers["X-Request-ID"]


def test_every_line_is_a_document(shop: LedgerProject) -> None:
    moment = now()
    shop.send(b"{")
    shop.stack.get("/nowhere?a=b")
    with contextlib.suppress(http.client.HTTPException):
        shop.stack.ask("GE T", "/", None)
    soon(lambda: len(said_since(shop.stack, moment, "app", "proxy")) > 3, "the lines are there", 5)
    lines = said_since(shop.stack, moment, "app", "proxy")

    assert [line for line in lines if not isinstance(json.loads(line), dict)] == []


def test_no_secret_is_in_any_log(shop: LedgerProject) -> None:
    stack, moment = shop.stack, now()
    name = f"reader-{shop.name}"
    password = stack.ledger("add-user", name, "--project", shop.name)
    try:
        secrets = everything_with_secrets(shop, name, password)
        stack.get("/login")  # a last line, after which all others are there
        soon(lambda: any('"/login"' in line for line in said_since(stack, moment, "proxy")[-3:]), "the last line", 5)
        log = "\n".join(said_since(stack, moment, *SERVICES))
    finally:
        stack.as_root(f"DELETE FROM ledger.account WHERE name = '{name}'")  # noqa: S608 - the name is ours

    assert len(secrets) >= 5  # two cookies among them
    assert [what for what, secret in secrets.items() if secret in log] == []


def everything_with_secrets(shop: LedgerProject, name: str, password: str) -> dict[str, str]:
    """Send secrets in requests of every kind, and return them."""
    root = f"http://127.0.0.1:{shop.stack.port}"
    wrong = "wrong-password-of-a-person"
    with requests.Session() as browser:

        def log_in(given: str) -> None:
            field = FIELD.search(browser.get(f"{root}/login", timeout=10).text)
            assert field
            form = {"name": name, "password": given, "csrf": field[1], "next": "/"}
            browser.post(f"{root}/login", data=form, timeout=10)

        log_in(wrong)
        log_in(password)
        cookies = {f"cookie {cookie.name}": str(cookie.value) for cookie in browser.cookies}
        assert "cookie cloison_session" in cookies
        for path in ("/projects", f"/projects/{shop.name}", "/account", "/projects/none", "/admin/users"):
            browser.get(root + path, timeout=10)
        browser.post(f"{root}/account", data={"password": password, "new": wrong, "again": wrong}, timeout=10)
    secrets = {"token": shop.token, "password": password, "wrong password": wrong, **cookies}
    for secret in secrets.values():
        in_the_wrong_places(shop.stack, secret)
    return secrets


def in_the_wrong_places(stack: Stack, secret: str) -> None:
    """Send a secret where none belongs: query, path (a token), headers, half a request, too much of one."""
    for path in (f"/login?password={secret}", f"/projects?next={secret}", f"/api/v1/proofs?before={secret}"):
        stack.get(path, Authorization=f"Bearer {secret}", Cookie=f"cloison_session={secret}", X_Request_ID=secret)
    stack.get("/", Referer=f"http://x/?{secret}", User_Agent=secret, Authorization=f"Basic {secret}")
    stack.ask("POST", "/api/v1/proofs", b"{", Authorization=f"bearer  {secret}", Content_Type="application/json")
    stack.ask("POST", f"/login?{secret}", b"x" * 1_100_000)
    if secret.startswith("clo_"):
        stack.get(f"/api/v1/{secret}")
    for half in (
        f"GET /?{secret} HTTP/1.1\r\nHost: x\r\nCookie: {secret}\r\n\r\x00\r\n",
        f"GET /?{secret} HTTP/9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", stack.port), timeout=5) as line:
            line.sendall(half.encode())
            line.recv(65536)


METRICS = ("/metrics", "//metrics", "/./metrics", "/%6detrics", "/x/../metrics", "/metrics?x", "/metrics/", "/METRICS")


@pytest.mark.parametrize("path", METRICS)
def test_the_figures_are_not_given_away(stack: Stack, path: str) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=5) as line, line.makefile("rb") as answer:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = answer.read()

    assert b" 404 " in said.splitlines()[0]
    assert b"ledger_requests" not in said


def test_the_figures_are_there_for_who_stands_on_the_inner_network(shop: LedgerProject) -> None:
    kept = 'ledger_proofs_total{outcome="kept"}'
    refused = 'ledger_proofs_total{outcome="refused"}'
    before = shop.stack.figures()
    for _ in range(8):  # both processes answer some
        shop.add()
        shop.send(b"{}")
    after = shop.stack.figures()

    assert after[kept] - before.get(kept, 0) == 8
    assert after[refused] - before.get(refused, 0) == 8
    assert after['ledger_database_connections{state="open"}'] >= 1
    assert after['ledger_request_seconds_count{route="/api/v1/proofs"}'] >= 16
