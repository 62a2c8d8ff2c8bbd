"""The start of the application's container, and its health check."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from sqlalchemy.exc import OperationalError

from ledger import migrate, server
from ledger.database import engine_for

if TYPE_CHECKING:
    from ledger.settings import Settings

HEALTHCHECK = Path(__file__).parents[3] / "app" / "healthcheck.py"


def test_the_wait_for_the_database_ends_and_gives_its_reason_once(
    tmp_path: Path, settings: "Callable[..., Settings]"
) -> None:
    secret = tmp_path / "db_password"
    secret.write_text("x", encoding="utf-8")
    engine = engine_for(settings(LEDGER_DB_HOST="127.0.0.1", LEDGER_DB_PORT="1", LEDGER_DB_PASSWORD_FILE=str(secret)))
    said: list[str] = []
    with pytest.raises(OperationalError):
        migrate.migrate_when_reachable(engine, 0.1, said.append, pause=lambda _: time.sleep(0.03))

    assert len(said) == 1
    assert said[0].startswith("waiting for the database: ")


def test_the_proxy_closes_idle_connections_first() -> None:
    conf = (HEALTHCHECK.parents[1] / "proxy" / "nginx.conf").read_text(encoding="utf-8")

    assert "keepalive_timeout 30s;" in conf
    assert server.keepalive > 30


def test_the_server_does_not_listen_before_it_has_reached_the_database(tmp_path: Path) -> None:
    gunicorn, started = tmp_path / "gunicorn", tmp_path / "started"
    gunicorn.write_text(f"#!/bin/sh\n: > '{started}'\n", encoding="utf-8")
    gunicorn.chmod(0o755)
    secret = tmp_path / "db_password"
    secret.write_text("x", encoding="utf-8")
    environment = {
        "PATH": str(tmp_path),
        "PYTHONPATH": str(HEALTHCHECK.parent),
        "LEDGER_DB_HOST": "127.0.0.1",
        "LEDGER_DB_PORT": "1",
        "LEDGER_DB_PASSWORD_FILE": str(secret),
        "LEDGER_START_PATIENCE": "0.1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "ledger"], check=False, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "ledger: the database does not answer: " in done.stderr
    assert not started.exists()


class FakeLedger(BaseHTTPRequestHandler):
    """Answers each path with the status that the test set."""

    statuses: ClassVar[Mapping[str, int]] = {}

    def do_GET(self) -> None:
        """Answer a request."""
        self.send_response(self.statuses.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def ledger_port() -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 5000), FakeLedger) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield
        served.shutdown()
        thread.join()


def check() -> int:
    return subprocess.run([sys.executable, "-I", "-S", str(HEALTHCHECK)], check=False).returncode


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ({"/healthz": 200, "/readyz": 200}, 0),
        ({"/healthz": 200, "/readyz": 503}, 0),
        ({"/healthz": 500, "/readyz": 503}, 1),
    ],
    ids=["ready", "alive without a database", "neither"],
)
def test_a_container_is_healthy_while_its_process_answers(
    ledger_port: None, monkeypatch: pytest.MonkeyPatch, statuses: Mapping[str, int], code: int
) -> None:
    monkeypatch.setattr(FakeLedger, "statuses", statuses)

    assert check() == code


def test_a_container_in_which_no_process_listens_is_not_healthy() -> None:
    assert check() == 1
