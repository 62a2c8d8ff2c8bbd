"""`cloison watch` over several projects: what appears, changes, goes, fails and dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.compose_project import Lab, docker, service
from tests.integration.enforce.test_enforcement import address, reaches, soon_reaches
from tests.unit.ledger_client.fake_ledger import TOKEN_VARIABLE

from cloison.workflow import enforcement

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")
SECRET = "whsec_" + "QUJD" * 8
DOCUMENT: dict[str, Any] = {
    "services": {
        "db": service(3306, networks=["back"], expose=["3306"]),
        "app": service(5000, networks=["back"], expose=["5000"]),
    },
    "networks": {"back": {"internal": True}},
    "x-cloison": {"allow": ["app -> db:3306"]},
}
UNPOLICED: dict[str, Any] = {
    "services": {"web": service(80, networks=["net"]), "job": service(81, networks=["net"])},
    "networks": {"net": {"internal": True}},
}


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Watch:
    """A running `cloison watch`, its lines and its metrics."""

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        self.port = free_port()
        argv = [COMMAND, "watch", "--metrics", str(self.port), "--timeout", "0.3", *words]
        environment = {**os.environ, "XDG_STATE_HOME": str(folder), **variables}
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout or ()), daemon=True)
        self._reader.start()

    def says(self, *words: str, count: int = 1, seconds: float = 40) -> None:
        """Wait for a line with all of these words."""
        until(lambda: sum(all(word in line for word in words) for line in list(self.lines)) >= count, seconds, self)

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample, None if there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = (one for family in text_string_to_metric_families(text) for one in family.samples)
        return next((one.value for one in found if one.name == name and one.labels == labels), None)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()
        return code


def until(condition: Callable[[], object], seconds: float = 40, watch: Watch | None = None) -> None:
    """Wait until a function returns something true."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"it did not come about: {watch.lines if watch else ''}"
        time.sleep(0.05)


@contextmanager
def watching(folder: Path, *words: str, **variables: str) -> Iterator[Watch]:
    """Run `cloison watch`, to the end of this context."""
    watch = Watch(folder, *words, **variables)
    try:
        yield watch
    finally:
        if watch.process.poll() is None:
            watch.end(signal.SIGKILL)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Lab]:
    """A second project."""
    found = Lab(tmp_path / "cloisonwatchother")
    found.folder.mkdir()
    found.write(UNPOLICED)
    yield found
    found.compose("down", "--timeout", "0")


@pytest.fixture
def pair(lab: Lab) -> Iterator[Lab]:
    """A project with a policy; whatever enforces it is removed."""
    lab.up(DOCUMENT)
    yield lab
    enforcement.off(lab.name)


@contextmanager
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver of webhooks: its address, and the messages that it took."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            """Take a message."""
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", taken
        server.shutdown()
        thread.join()


def test_projects_that_appear_and_go_are_watched_while_a_ledger_and_a_disk_fail(
    pair: Lab, other: Lab, tmp_path: Path
) -> None:
    """The ledger's port is closed, and /dev/full has no room for the metrics."""
    away = f"http://127.0.0.1:{free_port()}"
    options = (f"--project-name={pair.name},{other.name}", "--enforce", f"--ledger={away}")
    with (
        hook() as (url, taken),
        watching(
            tmp_path,
            *options,
            f"--metrics-file={tmp_path}/none/cloison.prom",
            f"--webhook={url}",
            CLOISON_LEDGER_TOKEN=TOKEN_VARIABLE,
            CLOISON_WEBHOOK_SECRET=SECRET,
        ) as watch,
    ):
        watch.says(f"{other.name}: does not run")
        watch.says("PROVEN", pair.name)
        watch.says("the metrics could not be written: No such file or directory")
        watch.says(away, "1 proof remains in")
        other.up(UNPOLICED)
        watch.says(f"{other.name}: it has no policy, so it is proven and not enforced")
        watch.says("AS DRAWN", other.name)
        assert 0 == watch.metric("cloison_project_policy", project=other.name)
        assert 1 == watch.metric("cloison_project_enforced", project=pair.name)
        assert 0 < (watch.metric("cloison_ledger_proofs_total", result="waiting") or 0)

        other.write(UNPOLICED | {"x-cloison": {"allow": []}})
        docker("restart", "--time", "0", other.container("web"))
        watch.says("BREACHED", other.name)
        until(lambda: taken)
        data = taken[0]["data"]
        assert ("project.breach", other.name, "breached") == (taken[0]["type"], data["project"], data["verdict"])
        assert {"job", "web"} & {connection["target"] for connection in data["connections"]}
        other.write(UNPOLICED)
        docker("restart", "--time", "0", other.container("web"))
        until(lambda: [message["type"] for message in taken] == ["project.breach", "project.normal"], watch=watch)
        other.compose("down", "--timeout", "0")
        watch.says(f"{other.name}: runs no more")
        until(lambda: watch.metric("cloison_proof_timestamp_seconds", project=other.name) is None)
        assert 143 == watch.end()


def test_after_its_death_what_is_known_goes_on_and_what_comes_is_closed(pair: Lab, tmp_path: Path) -> None:
    back = f"{pair.name}_back"
    with watching(tmp_path, *pair.selection.options, "--enforce") as watch:
        watch.says("PROVEN", pair.name)
        watch.end(signal.SIGKILL)
    database = address(pair.container("db"), back)
    assert reaches(pair.container("app"), database, 3306)
    assert not reaches(pair.container("db"), address(pair.container("app"), back), 5000)
    docker("restart", "--time", "0", pair.container("db"))
    database = address(pair.container("db"), back)
    assert not reaches(pair.container("app"), database, 3306)
    with watching(tmp_path, *pair.selection.options, "--enforce") as watch:
        soon_reaches(pair.container("app"), database, 3306, 20)
        watch.says("PROVEN", pair.name)


def test_once_has_the_exit_code_of_the_worst_project(pair: Lab, other: Lab, tmp_path: Path) -> None:
    other.up(UNPOLICED | {"x-cloison": {"allow": ["web -> web:81"]}})
    names = f"{pair.name},{other.name}"
    argv = [COMMAND, "watch", "--once", "--timeout", "0.3", "--metrics-file", str(tmp_path / "a.prom"), "-p"]
    done = subprocess.run([*argv, names], check=False, capture_output=True, text=True, timeout=120)

    assert 1 == done.returncode, done.stdout + done.stderr
    assert f'cloison_proof_verdict{{project="{pair.name}",verdict="breached"}} 1.0' in (tmp_path / "a.prom").read_text()
    missing = subprocess.run([*argv, "nosuch-a,nosuch-b"], check=False, capture_output=True, text=True, timeout=60)
    assert 3 == missing.returncode
