"""Idle containers with different privileges, which the tests inspect from outside."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound
from tests.integration.compose_project import Lab, docker

from cloison.engine.connection import local_client
from cloison.rehearse import idle_image

NUMBERS = itertools.count()
IMAGE_REPOSITORY = "localhost/cloison/powers"


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """An image with the idle program only."""
    name = f"{IMAGE_REPOSITORY}:{os.getpid()}"
    with closing(local_client()) as api:
        layer = idle_image.layer(idle_image.PROCESSORS[api.version()["Arch"]])
        changes = [f'ENTRYPOINT ["/{idle_image.BINARY_NAME}"]']
        api.import_image_from_data(layer, repository=IMAGE_REPOSITORY, tag=str(os.getpid()), changes=changes)
        try:
            yield name
        finally:
            with suppress(ImageNotFound):  # the tests of another folder may have removed it
                api.remove_image(name, force=True)


class IdleProject(Lab):
    """A project of idle containers."""

    def start(self, image: str, services: dict[str, Any], **more: Any) -> None:
        """Bring the project up."""
        bodies = {name: {"image": image, "stop_grace_period": "0s"} | body for name, body in services.items()}
        self.write({"services": bodies, **more})
        self.compose("up", "--detach")

    def exec(self, service: str, *options: str) -> None:
        """Start the idle program once more in a container."""
        docker("exec", "--detach", *options, self.container(service), f"/{idle_image.BINARY_NAME}")


def made(folder: Path) -> Iterator[IdleProject]:
    """Make a project in a folder, and remove it afterwards."""
    lab = IdleProject(folder)
    folder.mkdir()
    try:
        yield lab
    finally:
        if (folder / "compose.json").exists():
            lab.compose("down", "--volumes", "--remove-orphans", "--timeout", "0")


@pytest.fixture
def idle_project(tmp_path: Path) -> Iterator[IdleProject]:
    """An empty project."""
    yield from made(tmp_path / f"powers{os.getpid()}x{next(NUMBERS)}")
