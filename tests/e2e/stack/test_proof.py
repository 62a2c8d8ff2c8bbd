"""The prover on the real stack: its walls are proven, and every hole made by hand is named."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import pytest
from tests.e2e.stack.conftest import ROOT, Stack
from tests.integration.compose_project import docker, failures, rule

from cloison.compose.project import Project, project
from cloison.proof.schema import Proof, parse
from cloison.workflow.local_proof import prove_project

pytestmark = pytest.mark.stack
COMMAND = str(Path(sys.executable).parent / "cloison")
FORGIVEN = 10
"""MariaDB blocks a host after this many connections without a handshake (max_connect_errors), by default after 100."""
PROOFS = 24
"""Each probes the database from every place, so this many would show."""


def cloison(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as its user does."""
    words = (COMMAND, *words)
    return subprocess.run(words, cwd=ROOT, env=stack.environment, check=False, capture_output=True, text=True)


def proven(stack: Stack, code: int, *options: str) -> Proof:
    """Prove the stack, expect an exit code, and return the document."""
    done = cloison(stack, "prove", "--format", "json", *options)
    assert code == done.returncode, done.stdout + done.stderr
    return parse(done.stdout.encode())


@contextmanager
def forgiving(stack: Stack, errors: int) -> Iterator[None]:
    """Have the database block a host after fewer errors than by default."""
    before = stack.as_root("SELECT @@GLOBAL.max_connect_errors").strip()
    stack.as_root(f"SET GLOBAL max_connect_errors = {errors}")
    try:
        yield
    finally:
        stack.as_root(f"SET GLOBAL max_connect_errors = {before}")


@contextmanager
def overridden(stack: Stack, folder: Path, more: dict[str, Any], *, anew: bool = False) -> Iterator[Stack]:
    """Have the stack run with more in its file; `anew` takes it down between, as a changed network needs."""
    path = folder / "override.json"
    path.write_text(json.dumps(more))
    changed = Stack(stack.environment | {"COMPOSE_FILE": f"{stack.environment['COMPOSE_FILE']}:{path}"})
    try:
        if anew:
            stack.compose("down")
        changed.up()
        yield changed
    finally:
        if anew:
            changed.compose("down")
        stack.up()


def test_the_stack_proves_its_own_isolation(stack: Stack) -> None:
    proof = proven(stack, 0)

    assert ("proven", 0, 0) == (proof.verdict.word, proof.totals["drift"], proof.totals["unknown"])
    assert proof.policy is not None
    assert all(toleration.why for toleration in proof.policy.tolerate)
    assert len(proof.policy.tolerate) <= 3


def test_strict_names_what_is_only_tolerated(stack: Stack) -> None:
    done = cloison(stack, "prove", "--strict")

    assert 1 == done.returncode
    assert "  TOLERATED  network backend_net: " in done.stdout


def test_the_report_names_a_hole_in_words(stack: Stack) -> None:
    with rule("DOCKER-USER", "-j", "ACCEPT"):
        done = cloison(stack, "prove")

    assert 1 == done.returncode
    assert "BREACH (drift)  outside reaches db:3306" in done.stdout


def test_db_connected_to_the_front_is_drift(stack: Stack) -> None:
    docker("network", "connect", stack.network("frontend_net"), stack.name("db"))
    try:
        proof = proven(stack, 1)
    finally:
        docker("network", "disconnect", stack.network("frontend_net"), stack.name("db"))

    assert {"drift"} == failures(proof)["proxy", "db:3306"] == failures(proof)["db", "outside:*"]
    assert 0 == cloison(stack, "prove").returncode


def test_a_published_database_is_the_files_breach(stack: Stack, tmp_path: Path) -> None:
    more = {"services": {"db": {"ports": ["33061:3306"], "networks": ["backend_net", "frontend_net"]}}}
    with overridden(stack, tmp_path, more) as changed:
        proof = proven(changed, 1)

    assert {"file"} == failures(proof)["outside", "db:3306"]


def test_a_published_port_that_internal_holds_back_is_noted(stack: Stack, tmp_path: Path) -> None:
    with overridden(stack, tmp_path, {"services": {"db": {"ports": ["33061:3306"]}}}) as changed:
        proof = proven(changed, 0)

    assert any("publishes db:3306/tcp, but the engine does not" in note for note in proof.notes)


def test_a_backend_that_is_not_internal_is_the_files_breach(stack: Stack, tmp_path: Path) -> None:
    with overridden(stack, tmp_path, {"networks": {"backend_net": {"internal": False}}}, anew=True) as changed:
        proof = proven(changed, 1)

    assert {"file"} == failures(proof)["db", "outside:*"] == failures(proof)["app", "outside:*"]


def test_a_rule_that_accepts_packets_between_bridges_is_drift(stack: Stack) -> None:
    with rule("DOCKER-USER", "-j", "ACCEPT"):
        proof = proven(stack, 1)

    assert {"drift"} == failures(proof)["outside", "db:3306"] == failures(proof)["db", "outside:*"]
    assert 0 == cloison(stack, "prove").returncode


def test_a_container_of_another_project_on_the_backend_is_named(stack: Stack) -> None:
    image, label = stack.image("app"), "com.docker.compose.project=another"
    docker("run", "-d", "--rm", "--name", "intruder", "--network", stack.network("backend_net"), "--label", label,
           "--entrypoint", "sleep", image, "600")  # fmt: skip
    try:
        proof = proven(stack, 1)
    finally:
        docker("rm", "-f", "intruder")

    assert {"drift"} == failures(proof)["stranger:intruder", "db:3306"]
    assert any("intruder of project another is on" in note for note in proof.notes)


def test_a_stopped_container_is_not_proven(stack: Stack) -> None:
    stack.compose("stop", "app")

    proof = proven(stack, 3)

    assert ["app"] == proof.coverage.absent


def test_a_container_that_dies_during_the_proof_is_not_proven(stack: Stack) -> None:
    dying = threading.Timer(2.5, docker, ("kill", stack.name("app")))
    dying.start()

    proof = proven(stack, 3, "--patience", "5")

    dying.join()
    assert {"unknown"} == failures(proof)["proxy", "app:5000"]


class Watch(threading.Thread):
    """Asks the application all the time and keeps what was not an answer."""

    def __init__(self, ask: Callable[[], int]) -> None:
        super().__init__()
        self.ask, self.asked, self.failed, self.over = ask, 0, list[object](), threading.Event()

    def run(self) -> None:
        """Ask until it is over."""
        while not self.over.wait(0.1):
            self.asked += 1
            try:
                status: object = self.ask()
            except OSError as error:
                status = error
            if status != 200:
                self.failed.append(status)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def traces(stack: Stack) -> dict[str, str]:
    """Return everything in which a service could keep a trace of a connection."""
    logs = {name: docker("logs", stack.name(name)) for name in ("db", "app", "proxy")}
    errors = {name: _stderr(stack.name(name)) for name in ("db", "app", "proxy")}
    counters = stack.as_root("SHOW GLOBAL STATUS LIKE 'Aborted_connects%'")
    blocked = stack.as_root("SELECT COUNT(*) FROM performance_schema.host_cache WHERE SUM_CONNECT_ERRORS > 0")
    return logs | {f"{name} errors": text for name, text in errors.items()} | {"aborted": counters, "blocked": blocked}


def _stderr(container: str) -> str:
    return subprocess.run(["docker", "logs", container], check=True, capture_output=True, text=True).stderr


def _word(resolved: Project) -> str:
    return prove_project(resolved, timeout=0.05).verdict.word


def test_more_proofs_than_mariadb_forgives_leave_no_trace(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    resolved: Project = project(json.loads(stack.compose("config", "--format", "json")))
    stack.get("/readyz")
    before = traces(stack)

    two = ProcessPoolExecutor(2, mp_context=get_context("spawn"))  # two at a time: each is one core's work
    with forgiving(stack, FORGIVEN), Watch(lambda: stack.get("/readyz").status) as watch, two as pool:
        words = list(pool.map(_word, repeat(resolved, PROOFS)))

    assert {"proven"} == set(words)
    assert before == traces(stack)
    assert (True, []) == (watch.asked > PROOFS / 10, watch.failed)
