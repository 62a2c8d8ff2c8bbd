"""A Podman of the tests' own; every test stands on its machine and speaks to its socket."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from tests.integration.enforce.link_image import IMAGE, archive

from cloison.linux import netns

PODMAN_SCRIPT = Path(__file__).parents[3] / "setup" / "podman.sh"


@dataclass(frozen=True, slots=True)
class PodmanService:
    """A running Podman: its socket, and the process in whose network namespace it is."""

    socket: str
    process: int


def podman_script(verb: str) -> dict[str, str]:
    """Start or stop the Podman of the tests and return what it said."""
    done = subprocess.run([PODMAN_SCRIPT, verb], check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"setup/podman.sh {verb}: {done.stderr}"
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def podman() -> Iterator[PodmanService]:
    """The Podman, with an image in which Python runs."""
    said = podman_script("start")
    try:
        made = PodmanService(said["socket"], int(said["process"]))
        client = docker.APIClient(base_url=f"unix://{made.socket}", version="auto")
        try:
            client.import_image_from_data(archive(), repository=IMAGE)
        finally:
            client.close()
        yield made
    finally:
        podman_script("stop")


@pytest.fixture(autouse=True)
def on_podman_host(podman: PodmanService, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand on the machine of the Podman."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{podman.socket}")
    with Path(f"/proc/{podman.process}/ns/net").open() as namespace, netns.inside(namespace.fileno()):
        yield

        here = Path(netns.OWN_NETNS).stat().st_ino
        assert netns.identity(namespace.fileno()) == here, "something led this thread to another machine"
