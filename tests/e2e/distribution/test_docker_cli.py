"""The docker CLI of this machine runs the command as its plugin. No engine is asked."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.distribution.builds import BIN, run, succeed

HINT = "docker cloison prove"
COMPOSE = """#!/bin/sh
[ "$1" = docker-cli-plugin-metadata ] || exit "${COMPOSE_CODE:-0}"
echo '{"SchemaVersion": "0.1.0", "Vendor": "a stand-in"}'
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """The folder of docker's configuration with the plugin in it."""
    if not shutil.which("docker"):
        pytest.skip("this machine has no docker CLI")
    folder = tmp_path / "docker"
    succeed(BIN / "cloison", "plugin", "install", "--hook", folder=tmp_path, DOCKER_CONFIG=str(folder))
    return folder


@pytest.fixture
def stand_in_compose(configuration: Path) -> None:
    """Have a `docker compose` that does nothing."""
    path = configuration / "cli-plugins/docker-compose"
    path.write_text(COMPOSE)
    path.chmod(0o755)


def on_a_terminal(argv: list[str], environment: Mapping[str, str]) -> str:
    """Run a program with a terminal as its output, and return what it printed."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        said = b""
        try:
            while part := os.read(screen, 4096):
                said += part
        except OSError:  # EIO: the last process has closed the terminal
            pass
        finally:
            os.close(screen)
        process.wait(30)
    return said.decode()


def test_docker_lists_and_runs_the_plugin(configuration: Path, tmp_path: Path) -> None:
    variables = {"DOCKER_CONFIG": str(configuration)}
    version = succeed(BIN / "cloison", "--version", folder=tmp_path)

    assert "cloison*" in succeed("docker", "--help", folder=tmp_path, **variables)
    assert version == succeed("docker", "cloison", "--version", folder=tmp_path, **variables)
    assert "Usage: docker cloison plan" in succeed("docker", "help", "cloison", "plan", folder=tmp_path, **variables)
    assert 2 == run("docker", "cloison", "plan", "--nonsense", folder=tmp_path, **variables).returncode


def test_docker_completes_the_plugin(configuration: Path, tmp_path: Path) -> None:
    words = succeed("docker", "__complete", "cloison", "pl", folder=tmp_path, DOCKER_CONFIG=str(configuration))

    assert ["plan", "plugin"] == [line.split("\t")[0] for line in words.splitlines() if not line.startswith(":")]


def test_a_package_in_the_working_directory_is_not_imported(configuration: Path, tmp_path: Path) -> None:
    for name in ("click", "docker", "cloison"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")

    assert succeed("docker", "cloison", "--version", folder=tmp_path, DOCKER_CONFIG=str(configuration))


@pytest.mark.parametrize(
    ("words", "code", "is_named"),
    [(["up", "--detach"], "0", True), (["up"], "0", False), (["up", "-d"], "1", False), (["down"], "0", False)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.usefixtures("stand_in_compose")
def test_docker_names_the_next_step_after_compose_up(
    configuration: Path, words: list[str], code: str, *, is_named: bool
) -> None:
    environment = {**os.environ, "DOCKER_CONFIG": str(configuration), "COMPOSE_CODE": code}
    said = on_a_terminal(["docker", "compose", *words], environment)

    assert is_named == (HINT in said), said


def test_a_signal_to_docker_ends_the_plugin(configuration: Path, tmp_path: Path) -> None:
    (tmp_path / "docker-compose").write_text("#!/bin/sh\ntouch started\nexec sleep 10\n")
    (tmp_path / "docker-compose").chmod(0o755)
    (configuration / "cli-plugins/docker-compose").symlink_to(tmp_path / "docker-compose")
    environment = {**os.environ, "DOCKER_CONFIG": str(configuration), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(
        ["docker", "cloison", "plan"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 20
        while not (tmp_path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.terminate()

        assert 143 == process.wait(20)


def test_without_the_plugin_docker_knows_no_such_command(configuration: Path, tmp_path: Path) -> None:
    variables = {"DOCKER_CONFIG": str(configuration)}
    succeed(BIN / "cloison", "plugin", "remove", folder=tmp_path, **variables)

    assert [] == [*configuration.iterdir()]
    assert 0 != run("docker", "cloison", "plan", folder=tmp_path, **variables).returncode


def test_the_setting_is_the_documented_one(configuration: Path) -> None:
    settings = json.loads((configuration / "config.json").read_text())

    assert "compose up" == settings["plugins"]["cloison"]["hooks"]
    assert {"hooks": "true"} == settings["features"]
    assert sys.executable in (configuration / "cli-plugins/docker-cloison").read_text()
