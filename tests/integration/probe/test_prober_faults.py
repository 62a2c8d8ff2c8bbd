"""A fault of the prober itself ends in a right verdict, in `unknown` with a reason, or in one error and exit code 3."""

from __future__ import annotations

import itertools
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import Lab, docker, failures, judgements, service, three_tiers
from tests.integration.prober_faults import address, logging_service, stalling_engine

from cloison.engine import connection
from cloison.engine.docker import api as engine
from cloison.errors import NotProven
from cloison.linux import fd_limit
from cloison.model.facts import Container
from cloison.model.outcome import Reach
from cloison.probe import sockets as probe_sockets
from cloison.probe import udp_guard
from cloison.proof.schema import Proof
from cloison.verdict.judge import Judgement
from cloison.workflow.prove import prove
from cloison.workflow.request import Request

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")
DEFAULT_TIMEOUT = 0.1
BOUND = 5
"""Seconds within which a command must give an engine up, where one question may take SHORT."""
SHORT = 0.3
MANY = 1000


def shut(proof: Proof) -> list[str]:
    """Return the evidence of every flow that is shut because no packet arrived."""
    return [f.evidence for f in proof.flows if f.observed is Reach.SHUT and "lost twice" in f.evidence]


# ── whose namespace it is ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("whose", ["this process", "another container", "nobody"])
def test_a_reused_pid_is_not_mistaken_for_the_container(
    logging_project: Lab, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine reports the same PID from first to last, so only /proc shows the difference."""
    other = int(docker("inspect", "-f", "{{.State.Pid}}", logging_project.container("app")))
    pid = {"this process": os.getpid(), "another container": other, "nobody": 2**22 - 1}[whose]
    real = engine._container  # noqa: SLF001  # where the engine's word is read

    def mistaken(document: Any) -> Container:
        told = real(document)
        return replace(told, pid=pid) if told.service == "db" else told

    monkeypatch.setattr(engine, "_container", mistaken)
    proof = logging_project.prove(DEFAULT_TIMEOUT)

    found = failures(proof)
    assert (3, {"unknown"}) == (proof.verdict.exit_code, {word for words in found.values() for word in words})
    assert {"unknown"} == found["app", "db:3306"] == found["outside", "db:3306"] == found["db", "outside:*"]
    assert any("the namespace of" in f.reason and "could not be entered" in f.reason for f in proof.flows)


# ── what the kernel had no room for ─────────────────────────────────────────────────────────────────────────


def test_with_a_full_connection_tracking_table_an_unanswered_probe_is_unknown(
    logging_project: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = itertools.count()
    monkeypatch.setattr(probe_sockets, "_conntrack_drops", lambda: next(counted))

    proof = logging_project.prove(DEFAULT_TIMEOUT)

    assert (3, []) == (proof.verdict.exit_code, shut(proof))
    assert any("a full connection tracking table dropped" in flow.reason for flow in proof.flows)
    assert judgements(proof)["proxy", "app:5000"] is Judgement.HOLDS


def test_with_full_receive_buffers_an_unanswered_probe_is_unknown(
    logging_project: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_sockets, "RECEIVE_BUFFER", 1)

    proof = logging_project.prove(DEFAULT_TIMEOUT)

    losses = [flow for flow in proof.flows if "packets were lost before they could be read" in flow.reason]
    assert (3, True) == (proof.verdict.exit_code, bool(losses))
    assert {Reach.UNKNOWN} == {flow.observed for flow in losses}
    assert {"unknown"} == {word for words in failures(proof).values() for word in words}


@pytest.mark.parametrize("missing", ["load_port_filter", "attach", "attach_token_filter"])
def test_without_the_udp_guard_no_service_is_probed_over_udp(
    logging_project: Lab, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(udp_guard, missing, refuse)
    proof = logging_project.prove(DEFAULT_TIMEOUT)

    found = failures(proof)
    assert (3, {"unknown"}) == (proof.verdict.exit_code, found["proxy", "app:5300"])
    assert any(
        "cannot keep a probe's datagram from a service (Operation not permitted)" in f.reason for f in proof.flows
    )
    assert ("proxy", "app:5000") not in found
    assert docker("logs", logging_project.container("app")) == "listening"


# ── many, and busy ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A service with a thousand TCP and a thousand UDP sockets, and a neighbour."""
    folder = tmp_path_factory.mktemp("crowd") / f"crowd{os.getpid()}"
    folder.mkdir()
    lab = Lab(folder)
    ports = [(protocol, 10_000 + number) for protocol in ("tcp", "udp") for number in range(MANY)]
    many = logging_service(*ports, networks=["back"], ulimits={"nofile": 4096})
    networks = {"front": {}, "back": {"internal": True}}
    try:
        lab.up({"services": {"many": many, "one": service(80, networks=["front"])}, "networks": networks})
        yield lab
    finally:
        lab.compose("down", "--timeout", "0")


def test_two_thousand_listeners_are_proven_and_receive_nothing(crowd: Lab) -> None:
    started = time.monotonic()
    proof = crowd.prove()
    took = time.monotonic() - started

    asked = {(end.protocol, end.port) for end in proof.endpoints if (end.place, end.kind) == ("many", "listener")}
    assert (2 * MANY, 0, 0, 0) == (len(asked), *(proof.totals[word] for word in ("unknown", "drift", "broken")))
    from_one = {f.observed for f in proof.flows if proof.vantages[f.vantage].place == "one" and _is_many(proof, f)}
    from_host = {f.observed for f in proof.flows if proof.vantages[f.vantage].place == "host" and _is_many(proof, f)}
    assert ({Reach.SHUT}, {Reach.OPEN}) == (from_one, from_host)
    assert docker("logs", crowd.container("many")) == "listening"
    assert took < 60


def _is_many(proof: Proof, flow: Any) -> bool:
    end = proof.endpoints[flow.endpoint]
    return (end.place, end.kind) == ("many", "listener")


def test_a_service_whose_queue_is_full_is_still_open(lab: Lab) -> None:
    document = three_tiers()
    code = (
        "import socket, time\n"
        "made = socket.socket(); made.bind(('0.0.0.0', 5000)); made.listen(0)\n"
        "print('listening', flush=True)\n"
        "time.sleep(600)\n"
    )
    document["services"]["app"]["entrypoint"] = ["python", "-c", code]
    lab.up(document)
    with ExitStack() as waiting:
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003  # the socket module's own signature
            client.connect_ex((address(lab.container("app")), 5000))
        time.sleep(0.1)
        proof = lab.prove(DEFAULT_TIMEOUT)

    about = [f for f in proof.flows if (end := proof.endpoints[f.endpoint]).service_port == 5000 and end.place == "app"]
    reaches = {proof.vantages[f.vantage].place: f.observed for f in about}
    assert {"db": Reach.OPEN, "proxy": Reach.OPEN, "host": Reach.OPEN, "outside": Reach.SHUT} == reaches
    assert any("arrived inside" in flow.evidence and "no answer came back" in flow.evidence for flow in about)
    # The path is open, and a client gets no answer.
    assert judgements(proof)["proxy", "app:5000"] is Judgement.BROKEN


# ── too few open files ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("files", [40, 100, 150])
def test_too_few_open_files_are_one_sentence(logging_project: Lab, files: int) -> None:
    # Who holds CAP_SYS_RESOURCE raises the limit himself.
    words = ["setpriv", "--bounding-set=-sys_resource", COMMAND, "prove", *logging_project.selection.options]
    done = subprocess.run(words, check=False, capture_output=True, text=True, preexec_fn=_limit(files))

    assert (3, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines())), done.stderr
    assert "raise it: ulimit -n" in done.stderr


def _limit(files: int) -> Any:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def test_the_limit_of_open_files_is_raised(logging_project: Lab) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        assert 0 == logging_project.prove(DEFAULT_TIMEOUT).verdict.exit_code
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_limit_that_cannot_be_raised_is_an_error_with_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "setrlimit", _refuse)

    with pytest.raises(NotProven, match=r"probing 100000 network namespaces needs about 1600\d\d\d open files"):
        fd_limit.raise_limit(100_000)


def _refuse(*_: object) -> None:
    raise ValueError("not allowed to raise maximum limit")


# ── an engine that stops answering ──────────────────────────────────────────────────────────────────────────


@contextmanager
def silent(folder: Path, backlog: int) -> Iterator[str]:
    """Make a socket that accepts connections, or has a full backlog, and never answers."""
    path = folder / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as waiting:
        listener.bind(str(path))
        listener.listen(backlog)
        for _ in range(0 if backlog else 1):
            waiting.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        yield f"unix://{path}"


@pytest.mark.parametrize("backlog", [0, 100])
def test_an_engine_that_never_answers_is_an_error(
    logging_project: Lab, backlog: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "API_TIMEOUT", SHORT)
    started = time.monotonic()

    with silent(tmp_path, backlog) as where:
        monkeypatch.setenv("DOCKER_HOST", where)
        with pytest.raises(NotProven, match=r"engine .*answer"):
            logging_project.prove(DEFAULT_TIMEOUT)

    assert time.monotonic() - started < BOUND


def test_an_engine_that_stops_answering_is_an_error_at_any_moment(
    logging_project: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "API_TIMEOUT", SHORT)
    real = connection.socket_path()
    with stalling_engine(tmp_path, real) as (where, way):
        monkeypatch.setenv("DOCKER_HOST", where)
        assert 0 == prove(Request(logging_project.selection, DEFAULT_TIMEOUT)).verdict.exit_code

    for questions in range(way.asked):
        started = time.monotonic()
        with stalling_engine(tmp_path, real, questions) as (where, _):
            monkeypatch.setenv("DOCKER_HOST", where)
            with pytest.raises(NotProven, match="answer"):
                prove(Request(logging_project.selection, DEFAULT_TIMEOUT))
        assert time.monotonic() - started < BOUND
