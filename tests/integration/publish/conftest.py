"""Fixtures: a registry, a tampering proxy in front of it, two images and a user."""

import json
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.publish.local_registry import (
    PASSWORD,
    USERNAME_KEYS,
    Image,
    Publisher,
    Registry,
    TamperingProxy,
    free_port,
    make_image,
    remove_image,
)


@pytest.fixture(scope="session")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one user and the bcrypt of the password."""
    for program in ("docker-registry", "htpasswd"):
        assert shutil.which(program), (
            f"{program} is missing; setup/packages.test says who brings it, make test installs"
        )
    line = subprocess.run(
        ["htpasswd", "-inB", USERNAME_KEYS], input=PASSWORD.encode(), capture_output=True, check=True
    ).stdout
    path = tmp_path_factory.mktemp("passwords") / "htpasswd"
    path.write_bytes(line)
    return path


@pytest.fixture
def registry(passwords: Path, tmp_path: Path) -> Iterator[Registry]:
    """A registry with a password, on a port of its own, gone afterwards."""
    port, storage, settings = free_port(), tmp_path / "storage", tmp_path / "registry.yml"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(passwords)}},
    }
    settings.write_text(json.dumps(config))
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=log, stderr=log)
    try:
        _await(port, process)
        yield Registry(port, storage, process)
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        with socket.socket() as visitor:
            if visitor.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "docker-registry ended at once"
        time.sleep(0.02)
    pytest.fail("docker-registry did not begin to listen")


@pytest.fixture
def tampering_proxy(registry: Registry) -> Iterator[TamperingProxy]:
    """The machine between, honest until a test gives it a rule."""
    with TamperingProxy(registry) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def image() -> Iterator[Image]:
    """An image of this test alone; that it ends with no container is part of every test."""
    made = make_image(f"cloison-test-{uuid.uuid4().hex[:12]}:built")
    try:
        yield made
        assert made.containers() == ""
    finally:
        remove_image(made)


@pytest.fixture
def other() -> Iterator[Image]:
    """Another one."""
    made = make_image(f"cloison-test-{uuid.uuid4().hex[:12]}:other")
    try:
        yield made
    finally:
        remove_image(made)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Publisher]:
    """Somebody who is logged in nowhere; what they wrote to disk is all that is there afterwards."""
    home = tmp_path / "person"
    for name in ("work", "bin", "docker"):
        (home / name).mkdir(parents=True)
    plugins = Path.home() / ".docker" / "cli-plugins"
    if plugins.is_dir():  # Compose may live there
        (home / "docker" / "cli-plugins").symlink_to(plugins)
    yield Publisher(home)
    assert {path.name for path in (home / "docker").iterdir()} <= {"cli-plugins", "config.json", "contexts"}
