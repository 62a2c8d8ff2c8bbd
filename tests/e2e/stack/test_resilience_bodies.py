"""What a proof of each size is answered when something is away or taken: later (503), and 413 only for never."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import run, soon
from tests.e2e.stack.hostile_clients import holding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.stack.conftest import Answer, LedgerProject

pytestmark = pytest.mark.stack

SMALL, MEDIUM, LARGE, LARGEST = SIZES = (1_000, 100_000, 1_500_000, 7_000_000)
TOO_LARGE = 8 * 2**20 + 1
LARGE_PLACES, MEDIUM_PLACES = 4, 16
"""Of one token: proxy/nginx.conf."""


def proof_of(shop: LedgerProject, size: int) -> bytes:
    """Return a new proof of about a size, not compressed."""
    proof = json.loads(shop.body())
    each = len(json.dumps(proof["flows"][0], separators=(",", ":"))) + 1
    times = max(1, size // each)
    proof["flows"] *= times
    proof["totals"] = {name: times * count for name, count in proof["totals"].items()}
    for name in ("flows", "unknown"):
        proof["coverage"][name] *= times
    return json.dumps(proof, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


@contextmanager
def taken(shop: LedgerProject, length: int, many: int) -> Iterator[None]:
    """Have as many bodies of a length under way as a token may have."""
    start = (
        f"POST /api/v1/proofs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shop.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
    )
    with holding(shop.stack, start.encode(), many):
        time.sleep(1)
        yield


@contextmanager
def stopped(shop: LedgerProject, service: str) -> Iterator[None]:
    """Have a service stopped."""
    run("docker", "stop", shop.stack.name(service))
    try:
        yield
    finally:
        run("docker", "start", shop.stack.name(service))
        soon(lambda: shop.stack.get("/readyz").status == 200, "the application answers again", 60)


STATES: dict[str, Callable[[LedgerProject], AbstractContextManager[None]]] = {
    "whole": lambda _: nullcontext(),
    "large places taken": lambda shop: taken(shop, LARGE, LARGE_PLACES),
    "medium places taken": lambda shop: taken(shop, MEDIUM, MEDIUM_PLACES),
    "no application": lambda shop: stopped(shop, "app"),
    "no database": lambda shop: stopped(shop, "db"),
}
EXPECTED = {
    "whole": (201, 201, 201, 201, 413),
    "large places taken": (201, 201, 503, 503, 413),
    "medium places taken": (201, 503, 201, 201, 413),
    "no application": (503, 503, 503, 503, 413),
    "no database": (503, 503, 503, 503, 413),
}


@pytest.mark.parametrize("state", STATES)
def test_no_limit_answers_for_another(shop: LedgerProject, state: str) -> None:
    bodies = [proof_of(shop, size) for size in SIZES]
    with STATES[state](shop):
        answers = [shop.send(body) for body in (*bodies, bytes(TOO_LARGE))]
    later = [shop.send(body).status for body in bodies]

    assert tuple(answer.status for answer in answers) == EXPECTED[state]
    assert [problem(answer) for answer in answers] == [""] * len(answers)
    assert all(status in {200, 201} for status in later), later


def problem(answer: Answer) -> str:
    """Return what is wrong with an answer: each is JSON, an error has a sentence, and 503 tells when to come again."""
    if answer.status == 201:
        return ""
    error = answer.document["error"]
    if error["status"] != answer.status or not error["detail"] or error["request_id"] != answer.headers["X-Request-ID"]:
        return answer.text
    return "" if answer.status != 503 or answer.headers.get("Retry-After") else "no Retry-After"


@pytest.mark.parametrize("size", SIZES)
def test_a_proof_waits_for_an_application_that_is_being_replaced(shop: LedgerProject, size: int) -> None:
    body = proof_of(shop, size)
    run("docker", "restart", "--time", "1", shop.stack.name("app"))
    begin = time.monotonic()
    answer = shop.send(body)
    took = time.monotonic() - begin

    assert (answer.status, took < 12) == (201, True), (answer.text, took)


def test_after_a_time_out_nothing_is_repeated(shop: LedgerProject) -> None:
    """An application that accepts requests and does not answer may be working on them."""
    stack = shop.stack
    run("docker", "pause", stack.name("app"))
    try:
        with ThreadPoolExecutor(4) as clients:
            asked = [
                clients.submit(stack.get, "/login"),
                clients.submit(stack.ask, "POST", "/login", b"name=a"),
                clients.submit(shop.send, proof_of(shop, SMALL)),
                clients.submit(shop.send, proof_of(shop, MEDIUM)),
            ]
            answers = [one.result() for one in asked]
    finally:
        run("docker", "unpause", stack.name("app"))
    wanted = {answer.headers["X-Request-ID"] for answer in answers}
    lines = [json.loads(line) for line in stack.compose("logs", "--no-log-prefix", "proxy").splitlines()[-50:]]
    soon(lambda: stack.get("/readyz").status == 200, "the application answers again")

    assert [answer.status for answer in answers] == [504] * 4
    assert {line["app_status"] for line in lines if line["request_id"] in wanted} == {
        "504",
        "",
    }  # once; a large one never


def test_a_token_is_asked_for_before_a_body(shop: LedgerProject) -> None:
    body = proof_of(shop, LARGE)
    answers = [shop.send(body, Authorization=given) for given in ("", "Bearer clo_wrong", "Basic eDp5")]

    assert [(answer.status, answer.headers["WWW-Authenticate"]) for answer in answers] == [
        (401, "Bearer realm=ledger")
    ] * 3


def test_nobody_asks_for_the_proxy(shop: LedgerProject) -> None:
    bearer = {"Authorization": f"Bearer {shop.token}"}
    paths = ("/internal/may-add", "/internal//may-add", "//internal/may-add", "/%69nternal/may-add", "/-/may-add")

    assert [shop.stack.get(path, **bearer).status for path in paths] == [404] * len(paths)
