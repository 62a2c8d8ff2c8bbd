"""The Podman of the tests leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.integration.compose_project import docker as command
from tests.integration.enforce.link_image import IMAGE
from tests.integration.podman.conftest import PodmanService, podman_script

pytestmark = pytest.mark.engine


def test_a_killed_podman_leaves_nothing_that_stop_does_not_take(podman: PodmanService) -> None:
    name = command("run", "--detach", "--volume", "/usr:/usr:ro", "--entrypoint", "sleep", IMAGE, "600")
    inside = int(command("inspect", "--format", "{{.State.Pid}}", name))
    os.kill(podman.process, signal.SIGKILL)

    podman_script("stop")

    assert not _runs(inside)
    assert not Path(podman.socket).parent.exists()
    assert not [*Path("/sys/fs/cgroup").glob(f"**/{Path(podman.socket).parent.name}")]


def _runs(process: int) -> bool:
    """Whether a process is more than a dead one whose parent has not looked yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
