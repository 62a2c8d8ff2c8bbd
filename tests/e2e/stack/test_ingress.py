"""What comes in through port 8080, and that nothing comes in elsewhere."""

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.stack.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack.conftest import Stack

pytestmark = pytest.mark.stack

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HEADERS = {
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
}


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield browser
        browser.close()


def test_all_three_are_healthy(stack: "Stack") -> None:
    states = {name: stack.inspect(name)["State"]["Health"]["Status"] for name in ("db", "app", "proxy")}

    assert states == {"db": "healthy", "app": "healthy", "proxy": "healthy"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_sees_that_the_service_is_up_and_no_more(stack: "Stack", browser: Browser, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(f"http://127.0.0.1:{stack.port}/", wait_until="networkidle")
    text = page.locator("body").inner_text()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
    page.close()

    assert "Log in" in text
    assert not [word for word in ("MariaDB", PROJECT, "db", "0.1") if word in text]
    assert dark == (scheme == "dark")
    assert complaints == []


@pytest.mark.parametrize("port", [5000, 3306])
def test_no_other_port_of_the_host_accepts_a_connection(stack: "Stack", port: int) -> None:
    with socket.socket() as client:
        client.settimeout(2)

        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_from_app_the_database_answers(stack: "Stack") -> None:
    assert "ready" in stack.inside("app", "python", "-c", ASK_READYZ)


ASK_READYZ = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:5000/readyz', timeout=3).read())"


def test_from_proxy_the_application_answers(stack: "Stack") -> None:
    assert "alive" in stack.inside("proxy", "wget", "-q", "-O", "-", "http://app:5000/healthz")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/proofs", "/projects", "/login", "/nowhere", "/static/ledger.css", "/-/page.css", "/-/alive"]
)
def test_every_answer_carries_the_headers(stack: "Stack", path: str) -> None:
    answer = stack.get(path)

    assert HEADERS - set(answer.headers) == set()
    assert answer.headers["Server"] == "nginx"


def test_what_is_too_large_is_refused_in_words(stack: "Stack") -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(lambda: line.recv(4096), b""))

    assert b" 413 " in head.splitlines()[0]
    assert b"at most eight megabytes" in head
    assert b"X-Content-Type-Options: nosniff" in head


def test_the_client_cannot_choose_its_address(stack: "Stack") -> None:
    stack.get("/nowhere-marked", X_Forwarded_For="192.0.2.77", X_Request_ID="f" * 32)
    logged = [
        line for line in stack.compose("logs", "--no-log-prefix", "proxy").splitlines() if "nowhere-marked" in line
    ]

    assert len(logged) == 1
    assert "192.0.2.77" not in logged[0]
    assert "f" * 32 not in logged[0]


def test_the_client_cannot_claim_https(stack: "Stack") -> None:
    answer = stack.get("/login", X_Forwarded_Proto="https")

    assert answer.headers["Set-Cookie"].startswith("cloison_visitor=")
    assert "Strict-Transport-Security" not in answer.headers


def test_a_flood_is_slowed_and_a_person_is_not(stack: "Stack") -> None:
    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda _: stack.get("/healthz"), range(900)))
    time.sleep(6.5)  # until the allowance of 300 is whole again
    statuses = Counter(answer.status for answer in answers)
    refused = next(answer for answer in answers if answer.status == 429)

    assert set(statuses) == {200, 429}
    assert statuses[200] >= 300
    assert refused.headers["Retry-After"] == "1"
    assert HEADERS <= set(refused.headers)
    assert "sends requests too fast" in refused.text
    assert [stack.get("/healthz").status for _ in range(20)] == [200] * 20


def test_health_checks_leave_no_line(stack: "Stack") -> None:
    before = sorted(stack.compose("logs", "--no-log-prefix").splitlines())  # Compose mixes the services as it likes
    for path in ("/healthz", "/readyz", "/-/alive"):
        assert stack.get(path).status in {200, 204}
    time.sleep(7)  # two rounds of every health check

    assert sorted(stack.compose("logs", "--no-log-prefix").splitlines()) == before
