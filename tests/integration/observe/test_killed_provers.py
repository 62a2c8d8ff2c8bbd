"""A prover that is killed at any stage leaves nothing, and provers that run at once do not see each other."""

from __future__ import annotations

import fcntl
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.integration.compose_project import Lab, docker, three_tiers
from tests.integration.observe.leftovers import links, registrations, session, soon
from tests.integration.prober_faults import address

from cloison.linux import file_lock
from cloison.probe import socket_registry
from cloison.proof.schema import Proof

pytestmark = pytest.mark.engine
DEFAULT_TIMEOUT = 0.1
HEAD = """
import json, os, signal, sys, time
from cloison import cli
from cloison.observe import external_host, session
from cloison.rehearse.resources import RehearsalResources
from cloison.observe.observer import ProbeSession
from cloison.probe.prober import Prober
from tests.integration.observe.leftovers import held_locks

def stop(owner, name, number=1, after=False, act=None):
    real, calls = getattr(owner, name), []
    def hooked(*given, **named):
        calls.append(name)
        if after:
            result = real(*given, **named)
        if len(calls) == number:
            act(*given)
            os.kill(os.getpid(), signal.SIGKILL) if act is say else None
        return result if after else real(*given, **named)
    setattr(owner, name, hooked)

def say(*given):
    opened = [made for one in given[:1] if isinstance(one, Prober) for made in one.probe_sockets]
    ports = [port for made in opened if made.name == "host" for port in made.sending_ports]
    print(json.dumps({"ports": ports, "locks": sorted(held_locks(os.getpid()))}), flush=True)

def wait(*given):
    say(*given)
    time.sleep(60)
"""
STAGES = {
    "external host made": "stop(external_host, '_connect', after=True, act=say)",
    "first probe sockets": "stop(Prober, 'open_sockets', number=2, after=True, act=say)",
    "all probe sockets": "stop(session, '_open_container_sockets', number=3, after=True, act=say)",
    "guarded": "stop(Prober, 'guard', after=True, act=say)",
    "confirming listeners": "stop(Prober, '_send_round', number=2, act=say)",
    "between the rounds": "stop(Prober, '_send_round', number=4, act=say)",
    "over": "stop(ProbeSession, '_changed', after=True, act=say)",
}
RAN = "sys.exit(cli.main(sys.argv[1:]))"


def started(hook: str, *words: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own, with a hook in it."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{HEAD}\n{hook}\n{RAN}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_proof_killed_at_any_stage_leaves_nothing(logging_project: Lab, stage: str) -> None:
    with started(STAGES[stage], "prove", *logging_project.selection.options, "--patience", "0.2") as process:
        said, error = process.communicate(timeout=30)
    assert -9 == process.returncode, error
    prover = json.loads(said.splitlines()[0])
    assert prover["locks"]  # a stage before the first lock would show nothing

    assert soon(lambda: not links(prover["locks"]))
    assert soon(lambda: not session(process.pid))  # and no process, no network namespace
    assert 0 == logging_project.prove(DEFAULT_TIMEOUT).verdict.exit_code
    assert not registrations(prover["locks"])
    for port in prover["ports"]:
        _assert_heard_from(port, logging_project)


def _assert_heard_from(port: int, lab: Lab) -> None:
    """A datagram from the very port from which the killed prover sent its own comes to the service again."""
    before = docker("logs", lab.container("app"))
    with socket.socket(type=socket.SOCK_DGRAM) as sender, suppress(OSError):  # another program has the port by now
        sender.bind(("0.0.0.0", port))
        sender.sendto(b"hello", (address(lab.container("app")), 5300))
        assert soon(lambda: f"{port}))" in docker("logs", lab.container("app")).removeprefix(before))


def test_during_a_proof_no_datagram_reaches_a_service(logging_project: Lab) -> None:
    """Without the UDP guard, the tests above would prove nothing."""
    before = docker("logs", logging_project.container("app"))

    assert 0 == logging_project.prove(DEFAULT_TIMEOUT).verdict.exit_code

    assert before == docker("logs", logging_project.container("app"))


@contextmanager
def in_the_middle(lab: Lab) -> Iterator[None]:
    """Stop another proof of the same project between its rounds."""
    hook = "stop(Prober, '_send_round', number=4, act=wait)"
    with started(hook, "prove", *lab.selection.options, "--patience", "0.2") as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("{")
            yield
        finally:
            process.kill()


def asked(proof: Proof) -> list[tuple[object, ...]]:
    """Return the endpoints of a proof that do not differ from run to run."""
    return sorted(
        (end.place, end.kind, end.protocol, end.service_port, end.network)
        for end in proof.endpoints
        if end.kind != "canary"
    )


def test_two_proofs_at_once_have_the_same_flows(logging_project: Lab) -> None:
    alone = logging_project.prove(DEFAULT_TIMEOUT)

    with in_the_middle(logging_project):
        beside = logging_project.prove(DEFAULT_TIMEOUT)

    assert (0, 0) == (alone.verdict.exit_code, beside.verdict.exit_code)
    assert asked(alone) == asked(beside)


def test_a_registered_socket_is_known_until_its_prover_ends() -> None:
    with socket_registry.registration() as register, socket.socket() as made:
        register(made)
        inode = int(Path(f"/proc/self/fd/{made.fileno()}").readlink().name.strip("socket:[]"))
        assert inode in socket_registry.registered_inodes()
        with socket_registry.registration():  # which sweeps
            assert inode in socket_registry.registered_inodes()

    assert inode not in socket_registry.registered_inodes()


def test_a_lock_file_that_is_removed_meanwhile_is_not_acquired(monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def swept(descriptor: int, kind: int) -> None:
        (file_lock.FOLDER / "swept").unlink()
        real(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", swept)

    assert file_lock.acquire("swept") is None


def test_the_next_rehearsal_removes_one_that_was_killed_during_removal(lab: Lab) -> None:
    lab.write(three_tiers())
    rehearse = ("rehearse", *lab.selection.options, "--patience", "0.2")

    with started("stop(RehearsalResources, '_next', number=2, after=True, act=say)", *rehearse) as process:
        process.communicate(timeout=60)
    with started("", *rehearse) as again:
        again.communicate(timeout=60)

    assert (-9, 0) == (process.returncode, again.returncode)
    assert not [name for name in file_lock.lock_names("rehearsal-") if name.startswith(lab.name)]
    assert "" == docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={lab.name}")
    assert [] == [name for name in docker("network", "ls", "--format", "{{.Name}}").split() if lab.name in name]
    assert soon(lambda: not session(process.pid) | session(again.pid))
