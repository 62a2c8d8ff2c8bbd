"""The machine beside this one: whatever becomes of it, it leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.engine.second_engine import SecondEngine, running

from cloison.rehearse import idle_image

pytestmark = pytest.mark.engine

IMPORT = ("docker", "import", "--change", f'ENTRYPOINT ["/{idle_image.BINARY_NAME}"]', "-", "idle")


@pytest.fixture
def machine() -> Iterator[SecondEngine]:
    with running("trixie") as made:
        yield made


def occupied(machine: SecondEngine) -> SecondEngine:
    """Have a container there."""
    version = machine.enter("docker", "version", "-f", "{{.Server.Arch}}")
    assert version.returncode == 0, f"{version.returncode} {version.stderr}"
    layer = idle_image.layer(idle_image.PROCESSORS[version.stdout.strip()])
    subprocess.run(
        ["setup/second-engine.sh", "enter", machine.suite, *IMPORT], check=True, input=layer, capture_output=True
    )
    assert 0 == machine.enter("docker", "run", "--detach", "--publish", "80", "--name", "one", "idle").returncode
    return machine


def cgroups(name: str) -> list[Path]:
    return [found for depth in ("", "*/") for found in Path("/sys/fs/cgroup").glob(f"{depth}{name}")]


def survivors(processes: list[Path]) -> list[Path]:
    """Wait until these processes are gone, for ten seconds, and return those that are not."""
    deadline = time.monotonic() + 10
    while (left := [path for path in processes if path.exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_a_machine_that_is_stopped_leaves_nothing() -> None:
    with running("trixie") as machine:
        processes, cgroup = occupied(machine).processes(), machine.cgroup
        assert cgroups(cgroup)

    assert len(processes) > 2  # the first one, the engine and the container at least
    assert ([], [], False, False) == (
        survivors(processes),
        cgroups(cgroup),
        machine.data.exists(),
        machine.state.exists(),
    )


def test_a_machine_that_was_killed_is_gone_and_can_be_had_again(machine: SecondEngine) -> None:
    processes = occupied(machine).processes()
    os.kill(machine.first_process(), signal.SIGKILL)

    assert [] == survivors(processes)

    machine.setup("start")

    assert "" == machine.enter("docker", "ps", "--all", "--quiet").stdout


def test_it_is_started_when_its_own_engine_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Until its /run is its own, a slow `mount` here, the address of the engine is that of this machine's."""
    slow = tmp_path / "mount"
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {shutil.which("mount")} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with running("trixie") as machine:
        second = machine.enter("docker", "info", "--format", "{{.ID}}")

    this_machine = subprocess.run(["docker", "info", "--format", "{{.ID}}"], check=True, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert second.stdout != this_machine.stdout


def test_nothing_gets_out(machine: SecondEngine) -> None:
    links = machine.enter("ip", "-oneline", "link", "show", "type", "veth").stdout

    assert ["lan@wire:", "wire@lan:"] == sorted(line.split()[1] for line in links.splitlines())
    assert "blackhole 198.18.0.0/15" in machine.enter("ip", "route").stdout
