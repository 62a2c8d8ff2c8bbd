"""Many at once, and the application replaced under them. The proxy's rate limit is lifted here: it would answer 429."""

from __future__ import annotations

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import Stack, run
from tests.e2e.stack.load_generator import reading, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack.conftest import LedgerProject

pytestmark = pytest.mark.stack

CROWD = 1000
ASK = b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def unlimited(session_stack: Stack) -> Iterator[Stack]:
    """Have the stack without its rate limit."""
    session_stack.environment["CLOISON_RATE_FILE"] = "./proxy/rate-off.conf"
    session_stack.up()
    yield session_stack
    del session_stack.environment["CLOISON_RATE_FILE"]
    session_stack.up()


def status(line: socket.socket) -> int:
    """Read one answer and return its status."""
    with line.makefile("rb") as answer:
        first = answer.readline()
        length = 0
        for header in iter(answer.readline, b"\r\n"):
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        answer.read(length)
    return int(first.split()[1])


def test_a_thousand_connections_are_answered(unlimited: Stack) -> None:
    with ExitStack() as held:
        lines = [held.enter_context(socket.create_connection(("127.0.0.1", unlimited.port), 20)) for _ in range(CROWD)]
        for line in lines:
            line.settimeout(60)
            line.sendall(ASK)
        with ThreadPoolExecutor(16) as readers:
            first = Counter(readers.map(status, lines))
        for line in lines:  # all of them are still connected
            line.sendall(ASK)
        with ThreadPoolExecutor(16) as readers:
            second = Counter(readers.map(status, lines))
        begin = time.monotonic()
        other = unlimited.get("/healthz").status
        took = time.monotonic() - begin

    assert first == second == {200: CROWD}
    assert (other, took < 1) == (200, True)


def test_a_rolling_replacement_loses_no_request(unlimited: Stack, shop: LedgerProject) -> None:
    (old,) = containers(unlimited)
    try:
        with writing(shop, pause=0.02) as written, reading(unlimited, "/login", pause=0.01) as read:
            time.sleep(0.5)
            unlimited.compose("up", "-d", "--no-deps", "--no-recreate", "--scale", "app=2", "--wait", "app")
            time.sleep(1.5)  # until the proxy has asked for the name again
            run("docker", "stop", old)
            run("docker", "rm", old)
            time.sleep(1.5)
        (new,) = containers(unlimited)
    finally:
        unlimited.compose("rm", "--force", "--stop", "app")  # what the next test meets has its usual name again
        unlimited.up()

    assert new != old
    assert (written.failed, read.failed) == ([], [])
    assert len(written.asked) > 50
    assert len(read.asked) > 50
    assert written.acknowledged - shop.kept() == set()


def containers(stack: Stack) -> list[str]:
    return stack.compose("ps", "--quiet", "app").split()


def test_the_application_may_be_recreated_while_it_is_asked(unlimited: Stack, shop: LedgerProject) -> None:
    """Who comes while nobody is there waits for the new one; who was being answered may have lost his answer."""
    with writing(shop, pause=0.05) as written, reading(unlimited, "/login") as read:
        time.sleep(0.5)
        unlimited.compose("up", "-d", "--no-deps", "--force-recreate", "--wait", "app")
        time.sleep(1)

    assert len(written.failed) + len(read.failed) <= 6, (written.statuses, read.statuses)  # one each in flight
    assert written.acknowledged - shop.kept() == set()
