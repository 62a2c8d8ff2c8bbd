"""Where the passwords are, and everywhere they are not."""

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import SERVICES, run, soon

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import LedgerProject, Stack

pytestmark = pytest.mark.stack


def passwords(stack: "Stack") -> list[str]:
    return [
        stack.inside("db", "cat", path).strip() for path in ("/run/ledger/db_password", "/run/mysqld/root_password")
    ]


def test_they_are_long_and_differ(stack: "Stack") -> None:
    application, root = passwords(stack)

    assert (len(application), len(root)) == (40, 40)
    assert application != root


def test_they_are_nowhere_to_be_read(stack: "Stack") -> None:
    places = {
        "log": stack.compose("logs"),
        "resolved file": stack.compose("config"),
        "inspect": json.dumps([stack.inspect(service) for service in SERVICES]),
        "volumes": run("docker", "volume", "inspect", stack.volume("db_password"), stack.volume("db_data")).stdout,
        "image": run("docker", "history", "--no-trunc", stack.image("app")).stdout,
        "processes": run("ps", "axeww").stdout,
    }
    found = [(where, secret) for where, text in places.items() for secret in passwords(stack) if secret in text]

    assert found == []


def test_no_process_has_them_in_its_environment(stack: "Stack") -> None:
    for service in ("db", "app"):
        pid = stack.inspect(service)["State"]["Pid"]
        environment = run("cat", f"/proc/{pid}/environ").stdout

        assert not any(secret in environment for secret in passwords(stack))


def test_no_process_has_one_in_its_arguments(stack: "Stack") -> None:
    """The guard of the free space asks as root at each start, and again when the space becomes little."""
    seen, done = set[bytes](), threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(path.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        run("docker", "restart", stack.name("db"))
        soon(lambda: stack.get("/readyz").status == 200, "the application reaches the database again")
        stack.as_root("SELECT SLEEP(1)")
        time.sleep(2)
    finally:
        done.set()
        looking.join()
    arguments = b"\0".join(seen).decode(errors="replace")

    assert "mariadb" in arguments
    assert [secret for secret in passwords(stack) if secret in arguments] == []


def test_the_statements_that_set_them_do_not_stay(stack: "Stack") -> None:
    soon(lambda: stack.inside("db", "ls", "/run/mysqld").split() == FILES, "the file is removed")


FILES = ["guard", "mysqld.pid", "mysqld.sock", "root_password"]


def test_none_is_on_the_disk(stack: "Stack") -> None:
    for secret in passwords(stack):
        hit = stack.inside("db", "grep", "-rlF", secret, "/var/lib/mysql", check=False)

        assert hit == ""


def test_only_who_needs_them_may_read_them(stack: "Stack") -> None:
    shown = stack.inside("db", "stat", "-c", "%a %u:%g %n", "/run/ledger", "/run/ledger/db_password", ROOT_FILE)

    assert shown.splitlines() == [
        "2750 999:10001 /run/ledger",
        "640 999:10001 /run/ledger/db_password",
        f"600 999:999 {ROOT_FILE}",
    ]


ROOT_FILE = "/run/mysqld/root_password"


def test_the_application_reads_its_own_and_changes_nothing(stack: "Stack") -> None:
    assert stack.inside("app", "cat", "/run/ledger/db_password").strip() == passwords(stack)[0]
    assert stack.inside("app", "sh", "-c", "echo x > /run/ledger/x || echo refused") == "refused\n"


def test_the_proxy_has_none(stack: "Stack") -> None:
    targets = {mount["Destination"] for mount in stack.inspect("proxy")["Mounts"]}

    assert not any(target.startswith("/run") for target in targets)


def test_a_restart_of_the_database_makes_new_ones_and_nobody_notices(stack: "Stack") -> None:
    old = passwords(stack)
    started = stack.inspect("app")["State"]["StartedAt"]
    run("docker", "restart", stack.name("db"))
    soon(lambda: stack.get("/readyz").status == 200, "the application came in with the new password")

    assert set(passwords(stack)).isdisjoint(old)
    assert stack.inspect("app")["State"]["StartedAt"] == started
    assert stack.as_root("SELECT 1") == "1\n"


KEYS = "/var/lib/ledger/keys"
HOOK = "https://hooks.example/secret-path-of-the-tests"


def test_a_stored_secret_is_not_on_the_disk_of_the_database(shop: "LedgerProject") -> None:
    stack = shop.stack
    words = ("python", "-m", "ledger", "add-channel", shop.name, "ops", "--format", "slack")
    stack.inside("app", *words, input=f"{HOOK}\n")
    stack.as_root("SET GLOBAL innodb_max_dirty_pages_pct = 0, innodb_max_dirty_pages_pct_lwm = 0")
    (key,) = stack.ledger("keys").split()

    assert "https://hooks.example/…" in stack.ledger("channels", shop.name)
    for secret in (HOOK, "secret-path-of-the-tests", key):
        assert stack.inside("db", "grep", "-rlF", secret, "/var/lib/mysql", check=False) == ""


def test_the_keys_are_with_the_application_alone_and_outlive_its_container(stack: "Stack") -> None:
    before = stack.ledger("keys")
    stack.compose("up", "-d", "--wait", "--no-deps", "--force-recreate", "app")
    shown = stack.inside("app", "stat", "-c", "%a %u:%g %n", "/var/lib/ledger", KEYS)

    assert shown.splitlines() == ["700 10001:10001 /var/lib/ledger", f"600 10001:10001 {KEYS}"]
    assert stack.ledger("keys") == before
    for service in ("db", "proxy"):
        assert "/var/lib/ledger" not in {mount["Destination"] for mount in stack.inspect(service)["Mounts"]}
