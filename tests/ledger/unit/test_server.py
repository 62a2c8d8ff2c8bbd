"""How the container starts and how it is found healthy."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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


def test_waiting_for_the_database_ends_and_said_why_once(tmp_path: Path, settings: "Callable[..., Settings]") -> None:
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


class Readiness(BaseHTTPRequestHandler):
    """Answers /readyz with the status that the test set."""

    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def ledger_port() -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 5000), Readiness) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield
        served.shutdown()
        thread.join()


def check() -> int:
    return subprocess.run([sys.executable, "-I", "-S", str(HEALTHCHECK)], check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_healthy_is_what_readyz_says(
    ledger_port: None, monkeypatch: pytest.MonkeyPatch, status: int, code: int
) -> None:
    monkeypatch.setattr(Readiness, "status", status)

    assert check() == code


def test_nobody_listening_is_not_healthy() -> None:
    assert check() == 1
