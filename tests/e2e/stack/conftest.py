"""The real stack, brought up for the session as a project of the tests' own, so that no data of anybody is touched."""

import contextlib
import http.client
import itertools
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.ledger import sample_proofs

ROOT = Path(__file__).parents[3]
SERVICES = ("db", "app", "proxy")
STAND_IN = "localhost/cloison/airgap-mariadb:11"
PROJECT = "cloison-stack-tests"
"""Begins the name of each project here: setup/test.sh removes what a killed run left of them."""


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
        """Bring it up, healthy, and learn the published port.

        `up --wait` fails at once when a running container is unhealthy. After an outage of the database the application
        is, until its next health check, so the database comes first and the application gets that time.
        """
        self.compose("up", "-d", "--wait", "db")
        soon(lambda: "unhealthy" not in self.health(), "no container is unhealthy", 60)
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
        return f"{PROJECT}-{service}-1"

    def volume(self, name: str) -> str:
        """Return the engine's name of one of the file's volumes."""
        return f"{PROJECT}_{name}"

    def network(self, name: str) -> str:
        """Return the engine's name of one of the file's networks."""
        return f"{PROJECT}_{name}"

    def health(self) -> list[str]:
        """Return the health of each container that runs."""
        names = [self.name(service) for service in SERVICES]
        template = "{{if .State.Running}}{{.State.Health.Status}}{{end}}"
        return run("docker", "inspect", "-f", template, *names, check=False).stdout.split()

    def is_whole(self) -> bool:
        """Tell whether all three are up and healthy."""
        return self.health() == ["healthy"] * len(SERVICES)

    def image(self, service: str) -> str:
        """Return the image that the file resolves to."""
        resolved = json.loads(self.compose("config", "--format", "json"))
        return str(resolved["services"][service]["image"])

    def get(self, path: str, **headers: str) -> Answer:
        """Ask the way in."""
        return self.ask("GET", path, None, **headers)

    def ask(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        """Ask the way in, with a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def ledger(self, *words: str) -> str:
        """Run a verb of the ledger's own command line, and return what it printed."""
        return self.inside("app", "python", "-m", "ledger", *words).strip()

    def figures(self) -> dict[str, float]:
        """Return the figures for Prometheus, as its server would get them from within backend_net."""
        said = self.inside("proxy", "wget", "-q", "-O", "-", "http://app:5000/metrics")
        lines = (line.rpartition(" ") for line in said.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def as_root(self, sql: str) -> str:
        """Ask the database as its root, from inside."""
        return self.inside("db", "as-root", "-N", input=sql)


@dataclass
class LedgerProject:
    """A project of the tests' own, and a token of it."""

    stack: Stack
    name: str
    token: str
    minutes: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def body(self) -> bytes:
        """Return a proof that there has not been, and that changes something."""
        minute = next(self.minutes)
        return sample_proofs.proof(minute, app="open" if minute % 2 else "shut")

    def send(self, body: bytes, **headers: str) -> Answer:
        """Send a proof, or what passes for one."""
        given = {"Authorization": f"Bearer {self.token}", "Content_Type": "application/json"}
        return self.stack.ask("POST", f"/api/v1/proofs?as={self.name}", body, **given | headers)

    def add(self) -> None:
        """Have one proof more."""
        answer = self.send(self.body())
        assert answer.status == 201, answer.text

    def kept(self) -> set[str]:
        """Return the names of the proofs that the database has."""
        digests = "SELECT LOWER(HEX(proof.digest)) FROM ledger.proof JOIN ledger.project ON project.id = project_id"
        return set(self.stack.as_root(f"{digests} WHERE project.name = '{self.name}'").split())

    def remove(self) -> None:
        """Take everything of it out of the database."""
        self.stack.as_root(
            "USE ledger;"  # noqa: S608 - the name is ours
            f"SELECT id INTO @shop FROM project WHERE name = '{self.name}';"
            "DELETE spell FROM spell JOIN door ON spell.door_id = door.id WHERE project_id = @shop;"
            "DELETE FROM door WHERE project_id = @shop;"
            "DELETE document FROM document JOIN proof ON proof.id = document.proof_id WHERE project_id = @shop;"
            "DELETE FROM proof WHERE project_id = @shop; DELETE FROM project WHERE id = @shop;"
        )


def soon(wish: Callable[[], bool], what: str, seconds: float = 30) -> float:
    """Wait until a wish comes true and return how long it took."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        with contextlib.suppress(OSError):  # a port of a container that is just coming up resets what it accepted
            if wish():
                return time.monotonic() - begin
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}")


def with_settings(stack: Stack, **settings: str) -> Iterator[Stack]:
    """Have the proxy with other settings; for a fixture."""
    before = dict(stack.environment)
    stack.environment.update(settings)
    stack.compose("up", "-d", "--wait", "--no-deps", "proxy")
    yield stack
    stack.environment.clear()
    stack.environment.update(before)
    stack.compose("up", "-d", "--wait", "--no-deps", "proxy")


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
    stack = Stack({**os.environ, "COMPOSE_FILE": compose_files(), "COMPOSE_PROJECT_NAME": PROJECT})
    try:
        stack.compose("down", "--volumes")
        stack.up("--build")
        yield stack
    finally:
        stack.compose("down", "--volumes")


@pytest.fixture
def stack(session_stack: Stack) -> Iterator[Stack]:
    """Yield the stack, whole before the test and made whole after it."""
    yield session_stack
    if not session_stack.is_whole():
        session_stack.up()
        soon(lambda: session_stack.get("/readyz").status == 200, "the application answers again")


@pytest.fixture(scope="session")
def session_shop(session_stack: Stack) -> Iterator[LedgerProject]:
    """Have a project to send proofs to."""
    name = f"shop-{secrets.token_hex(4)}"
    session_stack.ledger("add-project", name)
    shop = LedgerProject(session_stack, name, session_stack.ledger("new-token", name, "tests", "--read", "--write"))
    yield shop
    if not session_stack.is_whole():
        session_stack.up()
    shop.remove()


@pytest.fixture
def shop(stack: Stack, session_shop: LedgerProject) -> LedgerProject:
    """Return the project, in a stack that is whole."""
    return session_shop
