"""Whatever is killed while proofs are written: what was acknowledged is there, and writing goes on by itself."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import run, soon
from tests.e2e.stack.load_generator import NO_ANSWER, writing

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import LedgerProject, Stack

pytestmark = pytest.mark.stack

KILLS = 8
"""Times that the database is killed: each at another moment of a write, as the load goes on between them."""
BACK = 2.0  # seconds after the database
LONGEST_WAIT = 5 + 1.0  # seconds: the last of the waits of proxy/nginx.conf, and the answer


def greets(address: str) -> bool:
    """Tell whether a database says its first words."""
    with socket.create_connection((address, 3306), timeout=1) as line:
        line.settimeout(1)
        return b"MariaDB" in line.recv(200)


def address(stack: Stack, service: str) -> str:
    return str(stack.inspect(service)["NetworkSettings"]["Networks"][stack.network("backend_net")]["IPAddress"])


def kill_database(stack: Stack) -> tuple[float, float]:
    """Kill the database, start it again, and return when it was gone and when it was there."""
    run("docker", "kill", "--signal", "KILL", stack.name("db"))
    gone = time.monotonic()
    # Not left to the restart policy: the engine doubles its pause each time, and the test would wait for that.
    run("docker", "start", stack.name("db"))
    place = address(stack, "db")
    soon(lambda: greets(place), "the database listens", 60)
    return gone, time.monotonic()


def test_a_database_that_is_killed_again_and_again_loses_no_acknowledged_proof(shop: LedgerProject) -> None:
    stack = shop.stack
    started = stack.inspect("app")["State"]["StartedAt"]
    backs = []
    with writing(shop) as load:
        for _ in range(KILLS):
            load.succeeds_after(time.monotonic())
            gone, there = kill_database(stack)
            backs.append(load.succeeds_after(gone) - there)

    assert len(load.acknowledged) >= KILLS
    assert load.acknowledged - shop.kept() == set()
    assert max(backs) < BACK
    assert set(load.statuses) <= {200, 201, 503}
    assert stack.inspect("app")["State"]["StartedAt"] == started


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()]


def test_workers_of_the_application_may_be_killed(shop: LedgerProject) -> None:
    started = shop.stack.inspect("app")["State"]["StartedAt"]
    first, killed = shop.stack.inspect("app")["State"]["Pid"], []
    with writing(shop) as load:
        for _ in range(6):
            load.succeeds_after(time.monotonic())
            killed.append(children(first)[0])
            os.kill(killed[-1], signal.SIGKILL)
            time.sleep(0.3)
        load.succeeds_after(time.monotonic())

    assert len(set(killed)) == 6
    assert load.acknowledged - shop.kept() == set()
    assert len(load.failed) <= 6 * 4, load.statuses  # those in flight
    assert set(load.statuses) <= {200, 201, 503}
    assert shop.stack.inspect("app")["State"]["StartedAt"] == started


def test_a_killed_proxy_comes_back_by_itself(shop: LedgerProject) -> None:
    stack = shop.stack
    with writing(shop) as load:
        load.succeeds_after(time.monotonic())
        os.kill(stack.inspect("proxy")["State"]["Pid"], signal.SIGKILL)
        killed = time.monotonic()
        back = load.succeeds_after(killed + 0.2) - killed
        (worker, *_) = children(stack.inspect("proxy")["State"]["Pid"])
        os.kill(worker, signal.SIGKILL)
        again = load.succeeds_after(time.monotonic()) - time.monotonic()

    assert load.acknowledged - shop.kept() == set()
    assert set(load.statuses) <= {NO_ANSWER, 200, 201}
    assert back < 5
    assert again < 1


def test_an_application_recreated_elsewhere_is_found(shop: LedgerProject) -> None:
    stack = shop.stack
    old = address(stack, "app")
    with writing(shop) as load:
        load.succeeds_after(time.monotonic())
        gone = time.monotonic()
        run("docker", "rm", "--force", stack.name("app"))
        squatter = run(
            "docker", "run", "--detach", "--rm", "--network", stack.network("backend_net"),
            "--entrypoint", "sleep", stack.image("app"), "60",
        ).stdout.strip()  # fmt: skip
        try:
            stack.up()
            there = time.monotonic()
            back = load.succeeds_after(gone + 0.5)
            time.sleep(1)
        finally:
            run("docker", "rm", "--force", squatter)
    states = str(load.statuses)

    assert address(stack, "app") != old
    assert load.acknowledged - shop.kept() == set()
    assert back < there + LONGEST_WAIT, states
    assert [one for one in load.failed if one.sent > back] == [], states
