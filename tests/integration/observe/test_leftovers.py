"""A proof leaves nothing behind, in the services or on the machine, however it ends."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.compose_project import Lab, docker

from cloison.errors import NotProven
from cloison.observe import external_host

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")


def links() -> set[str]:
    """Return the host ends of provers' veth pairs on this machine."""
    shown = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True)
    names = {line.split(": ")[1].partition("@")[0] for line in shown.stdout.splitlines()}
    return {name for name in names if name.startswith(external_host.LINK_PREFIX)}


def namespaces() -> int:
    """Return how many network namespaces there are."""
    shown = subprocess.run(["lsns", "-t", "net", "-n", "-o", "NS"], check=True, capture_output=True, text=True)
    return len(shown.stdout.split())


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes true within a while: the kernel takes a namespace away in its own time."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def proving(lab: Lab, timeout: float) -> subprocess.Popen[str]:
    """Start a proof in a process of its own."""
    words = [COMMAND, "prove", *lab.selection.options, "--patience", str(timeout), "--format", "json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_no_service_sees_a_connection(tiers: Lab) -> None:
    before = {name: docker("logs", name) for name in tiers.containers()}

    for _ in range(20):
        tiers.prove(timeout=0.1)

    assert before == {name: docker("logs", name) for name in tiers.containers()}
    assert {"listening"} == set(before.values())


def test_a_proof_leaves_the_machine_as_it_was(tiers: Lab) -> None:
    before = namespaces()

    tiers.prove()

    assert not links()
    assert soon(lambda: namespaces() == before)


@pytest.mark.parametrize("moment", [0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.4])
def test_a_killed_proof_leaves_nothing(tiers: Lab, moment: float) -> None:
    before = namespaces()
    with proving(tiers, timeout=10) as process:
        time.sleep(moment)
        process.kill()

    assert soon(lambda: not links())
    assert soon(lambda: namespaces() == before)
    assert tiers.prove().verdict.word == "proven"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_proof_cleans_up_and_says_so(tiers: Lab, sent: signal.Signals, code: int) -> None:
    with proving(tiers, timeout=10) as process:
        assert soon(lambda: bool(links()))
        process.send_signal(sent)
        _, said = process.communicate(timeout=20)

    assert code == process.returncode
    assert "Traceback" not in said
    assert not links()


def test_the_next_proof_removes_the_left_overs_of_a_killed_one(tiers: Lab) -> None:
    subprocess.run(["ip", "link", "add", "cloison0", "type", "veth", "peer", "name", "left"], check=True)
    subprocess.run(["ip", "addr", "add", "198.51.100.1/29", "dev", "cloison0"], check=True)

    assert tiers.prove().verdict.word == "proven"
    assert not links()


def test_proofs_at_once_do_not_disturb_each_other(tiers: Lab) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        processes = [proving(tiers, timeout=1) for _ in range(4)]
        ended = list(pool.map(lambda process: process.communicate(timeout=60), processes))

    assert [0] * 4 == [process.returncode for process in processes], [said for _, said in ended]
    assert not links()


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
