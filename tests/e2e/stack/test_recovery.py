"""Each service may go, come back, or come back elsewhere."""

import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import SERVICES, run, soon

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import LedgerProject, Stack

pytestmark = pytest.mark.stack
STOP_SECONDS = 2
MORE_TRIES = 3
"""Other tests keep this machine busy, and are not busy each time."""


def address(stack: "Stack", service: str) -> str:
    return str(stack.inspect(service)["NetworkSettings"]["Networks"][stack.network("backend_net")]["IPAddress"])


def stopped(stack: "Stack", service: str) -> float:
    """Stop a service, and return the seconds that it took to end by itself."""
    begin = time.monotonic()
    run("docker", "stop", "--time", "30", stack.name(service))
    took = time.monotonic() - begin
    assert stack.inspect(service)["State"]["ExitCode"] == 0
    return took


@pytest.mark.parametrize("service", SERVICES)
def test_stops_within_two_seconds_without_being_killed(stack: "Stack", service: str) -> None:
    stack.get("/")
    took = stopped(stack, service)
    for _ in range(MORE_TRIES):
        if took < STOP_SECONDS:
            break
        stack.up()
        took = min(took, stopped(stack, service))

    assert took < STOP_SECONDS


def test_data_survives_down_and_up(stack: "Stack", shop: "LedgerProject") -> None:
    shop.add()
    before = shop.kept()
    stack.compose("down")
    stack.up()

    assert before == shop.kept()
    shop.add()
    assert len(before) + 1 == len(shop.kept())


def test_an_application_with_another_address_is_found(stack: "Stack") -> None:
    old = address(stack, "app")
    run("docker", "rm", "--force", stack.name("app"))
    squatter = run(
        "docker", "run", "--detach", "--rm", "--network", stack.network("backend_net"), "--ip", old,
        "--entrypoint", "sleep", stack.image("app"), "60", check=False,
    )  # fmt: skip
    if squatter.returncode:  # without a subnet of one's own an address cannot be asked for: the first free one is it
        squatter = run(
            "docker", "run", "--detach", "--rm", "--network", stack.network("backend_net"),
            "--entrypoint", "sleep", stack.image("app"), "60",
        )  # fmt: skip
    try:
        stack.up()
        took = soon(lambda: stack.get("/readyz").status == 200, "the application is served at its new address")
    finally:
        run("docker", "rm", "--force", squatter.stdout.strip())

    assert address(stack, "app") != old
    assert took < 10


def test_the_proxy_starts_and_speaks_without_an_application(stack: "Stack") -> None:
    run("docker", "stop", stack.name("app"))
    run("docker", "restart", stack.name("proxy"))
    soon(lambda: stack.get("/-/alive").status == 204, "the proxy is back")
    page = stack.get("/")
    document = stack.get("/api/v1/proofs").document

    assert page.status == 503
    assert page.headers["Retry-After"] == "2"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "The application does not answer" in page.text
    assert document["error"]["status"] == 503
    run("docker", "start", stack.name("app"))
    soon(lambda: stack.get("/").status == 200, "the application is found again")


def test_the_application_outlives_its_database(stack: "Stack", shop: "LedgerProject") -> None:
    started = stack.inspect("app")["State"]["StartedAt"]
    run("docker", "stop", stack.name("db"))
    begin = time.monotonic()
    ready = stack.get("/readyz")
    waited = time.monotonic() - begin
    sent, alive = shop.send(shop.body()), stack.get("/healthz")
    run("docker", "start", stack.name("db"))
    soon(lambda: stack.get("/readyz").status == 200, "the application has its database again")

    assert ready.status == 503
    assert waited < 2.5
    assert sent.status == 503
    assert "does not answer at the moment" in sent.text
    assert alive.status == 200
    assert stack.inspect("app")["State"]["StartedAt"] == started
    shop.add()


def test_the_application_stays_healthy_while_its_database_is_away(stack: "Stack") -> None:
    run("docker", "stop", stack.name("db"))
    time.sleep(13)  # more than three health checks, one every three seconds: compose.yml
    health = stack.inspect("app")["State"]["Health"]
    stack.up()

    assert health["Status"] == "healthy"
    assert health["FailingStreak"] == 0
    soon(lambda: stack.get("/readyz").status == 200, "the application has its database again")


def test_a_killed_database_is_back_by_itself(stack: "Stack", shop: "LedgerProject") -> None:
    shop.add()
    before = shop.kept()
    run("kill", "-9", str(stack.inspect("db")["State"]["Pid"]), check=False)
    soon(lambda: stack.get("/readyz").status == 200, "the database was restarted and recovered", 60)

    assert before == shop.kept()
    shop.add()
