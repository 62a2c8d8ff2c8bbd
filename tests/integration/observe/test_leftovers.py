"""A proof leaves nothing behind, in the services or on the machine, however it ends."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.compose_project import Lab, docker
from tests.integration.observe.leftovers import (
    SEGMENT,
    held_locks,
    links,
    own_namespaces,
    recorded_locks,
    registrations,
    session,
    soon,
)

from cloison.errors import NotProven
from cloison.linux import file_lock
from cloison.observe import external_host

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")


def proving(lab: Lab, timeout: float) -> subprocess.Popen[str]:
    """Start a proof in a process of its own."""
    words = [COMMAND, "prove", *lab.selection.options, "--patience", str(timeout), "--format", "json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_no_service_sees_a_connection(tiers: Lab) -> None:
    before = {name: docker("logs", name) for name in tiers.containers()}

    for _ in range(3):  # test_repeated_proofs.py takes many
        tiers.prove(timeout=0.1)

    assert before == {name: docker("logs", name) for name in tiers.containers()}
    assert {"listening"} == set(before.values())


def test_a_proof_gives_back_every_link_and_network_namespace(tiers: Lab) -> None:
    before = own_namespaces()

    with recorded_locks() as locks:
        tiers.prove()

    assert {SEGMENT} <= {name.rstrip("0123456789") for name in locks}
    assert (set(), set()) == (links(locks), registrations(locks))
    assert before == own_namespaces()


Moment = Callable[[subprocess.Popen[str]], bool]
MOMENTS: dict[str, Moment] = {
    "it reads the file": lambda process: len(session(process.pid)) > 1,  # Compose runs
    "it has a segment": lambda process: any(name.startswith(SEGMENT) for name in held_locks(process.pid)),
    "it has a link": lambda process: bool(links(held_locks(process.pid))),
    "it has sockets": lambda process: bool(registrations(held_locks(process.pid))),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_proof_leaves_nothing(tiers: Lab, moment: str) -> None:
    with proving(tiers, timeout=10) as process:
        assert soon(lambda: MOMENTS[moment](process))
        locks = held_locks(process.pid)
        process.kill()

    assert soon(lambda: not links(locks))
    assert soon(lambda: not session(process.pid))
    assert tiers.prove(timeout=0.1).verdict.word == "proven"
    assert not registrations(locks)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_proof_cleans_up_and_says_so(tiers: Lab, sent: signal.Signals, code: int) -> None:
    with proving(tiers, timeout=10) as process:
        assert soon(lambda: MOMENTS["it has sockets"](process))
        locks = held_locks(process.pid)
        process.send_signal(sent)
        _, said = process.communicate(timeout=20)

    assert code == process.returncode
    assert "Traceback" not in said
    assert (set(), set()) == (links(locks), registrations(locks))


def test_what_a_killed_proof_left_is_removed_by_the_next(tiers: Lab) -> None:
    """The segment is locked while its link is made: another prover would use it, and remove the link itself."""
    for number in range(external_host.MAX_SEGMENTS):
        if (lock := file_lock.acquire(f"{SEGMENT}{number}")) is not None:
            break
    assert lock is not None
    link = f"{external_host.LINK_PREFIX}{number}"
    subprocess.run(["ip", "link", "add", link, "type", "veth", "peer", "name", "left"], check=True)
    subprocess.run(["ip", "addr", "add", f"198.51.100.{8 * number + 1}/29", "dev", link], check=True)
    os.close(lock)

    with recorded_locks() as locks:
        assert tiers.prove().verdict.word == "proven"

    assert f"{SEGMENT}{number}" in locks
    assert not links(locks)


def test_proofs_at_once_do_not_disturb_each_other(tiers: Lab) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        processes = [proving(tiers, timeout=1) for _ in range(4)]
        ended = list(pool.map(lambda process: process.communicate(timeout=60), processes))

    assert [0] * 4 == [process.returncode for process in processes], [said for _, said in ended]
    assert not [left for process in processes for left in session(process.pid)]


def test_without_a_free_segment_the_error_says_so(tiers: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_host, "MAX_SEGMENTS", 1)

    with external_host.external_host(), pytest.raises(NotProven, match=r"this machine already runs \d+ proofs"):
        tiers.prove()


def test_descriptors_do_not_grow(tiers: Lab) -> None:
    tiers.prove(timeout=0.1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # the shortest way to count

    for _ in range(5):
        tiers.prove(timeout=0.1)

    assert before == len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # as above
