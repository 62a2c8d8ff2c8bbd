"""The real stack, brought up for the session and left as it was found."""

import contextlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("db", "app", "proxy")
STAND_IN = "cloison/airgap-mariadb:11"


def run(*argv: str, check: bool = True, **extra: Any) -> subprocess.CompletedProcess[str]:
    """Run a command from the project's directory and keep what it says."""
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300, **extra)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-1500:]}{done.stderr[-3000:]}")
    return done


@dataclass(frozen=True)
class Answer:
    """One answer of the way in."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.text)


@dataclass
class Stack:
    """What a test asks of the running stack."""

    environment: dict[str, str]
    port: int = field(init=False)

    def compose(self, *args: str, check: bool = True) -> str:
        """Run docker compose and return what it printed."""
        return run("docker", "compose", *args, check=check, env=self.environment).stdout

    def up(self, *args: str) -> None:
        """Bring it up, healthy, and learn the published port."""
        self.compose("up", "-d", "--wait", *args)
        self.port = int(self.compose("port", "proxy", "80").strip().rpartition(":")[2])

    def inside(self, service: str, *argv: str, check: bool = True, **extra: Any) -> str:
        """Run a program in a service's container."""
        return run("docker", "exec", "-i", self.name(service), *argv, check=check, **extra).stdout

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        found: dict[str, Any] = json.loads(run("docker", "inspect", self.name(service)).stdout)[0]
        return found

    def name(self, service: str) -> str:
        """Return the name that the project's own name gives the container."""
        return f"tp-networks-{service}-1"

    def is_whole(self) -> bool:
        """Tell whether all three are up and healthy."""
        names = [self.name(service) for service in SERVICES]
        shown = run("docker", "inspect", "-f", "{{.State.Running}} {{.State.Health.Status}}", *names, check=False)
        return shown.stdout.split() == ["true", "healthy"] * len(SERVICES)

    def image(self, service: str) -> str:
        """Return the image that the file resolves to."""
        resolved = json.loads(self.compose("config", "--format", "json"))
        return str(resolved["services"][service]["image"])

    def get(self, path: str, **headers: str) -> Answer:
        """Ask the way in."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def visits(self) -> int:
        """Visit once and return the count."""
        return int(self.get("/index.json").document["visits"])

    def as_root(self, sql: str) -> str:
        """Ask the database as its root, from inside."""
        return self.inside("db", "sh", "-c", 'exec mariadb -uroot -p"$(cat /run/mysqld/root_password)" -N', input=sql)


def soon(wish: Callable[[], bool], what: str, seconds: float = 30) -> float:
    """Wait until a wish comes true and return how long it took."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        with contextlib.suppress(OSError):  # a port of a container that is just coming up resets what it accepted
            if wish():
                return time.monotonic() - begin
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}")


def compose_files() -> str:
    """Return the files the caller chose, else the stand-ins' if those are built."""
    chosen = os.environ.get("COMPOSE_FILE")
    if not chosen and (ROOT / ".env").is_file():
        lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
        chosen = next((line.partition("=")[2] for line in lines if line.startswith("COMPOSE_FILE=")), None)
    if chosen:
        return chosen
    built = run("docker", "image", "inspect", STAND_IN, check=False).returncode == 0
    return "compose.yml:compose.airgap.yml" if built else "compose.yml"


@pytest.fixture(scope="session")
def session_stack() -> Iterator[Stack]:
    if run("docker", "compose", "version", check=False).returncode or run("docker", "info", check=False).returncode:
        pytest.fail("no Docker engine with Compose v2 answers; `make up` installs and starts both")
    stack = Stack({**os.environ, "COMPOSE_FILE": compose_files()})
    was_running = bool(stack.compose("ps", "--quiet").strip())
    had_data = run("docker", "volume", "inspect", "tp-networks_db_data", check=False).returncode == 0
    try:
        stack.up("--build")
        yield stack
    finally:
        if was_running:
            stack.up()
        else:
            stack.compose("down", *([] if had_data else ["--volumes"]))


@pytest.fixture
def stack(session_stack: Stack) -> Iterator[Stack]:
    """Yield the stack, whole before the test and made whole after it."""
    yield session_stack
    if not session_stack.is_whole():
        session_stack.up()
        soon(lambda: session_stack.get("/readyz").status == 200, "the application answers again")
