"""On macOS and Windows, the verbs that need no engine run, and the others end with a sentence or an agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "other_system.py"
DOCUMENT = {
    "name": "sample",
    "services": {"web": {"image": "web", "networks": {"front": None}}},
    "networks": {"front": {"name": "sample_front", "internal": True}},
    "x-cloison": {"allow": [], "tolerate": [{"flow": "* -> host", "why": "the bridge"}]},
}
SYSTEMS = ("darwin", "win32")


@pytest.fixture
def stand_in_docker(tmp_path: Path) -> dict[str, str]:
    """An environment whose docker resolves every project to the same document."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(DOCUMENT)}\nEND\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}


def run(system: str, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as on another system."""
    return subprocess.run(
        [sys.executable, SCRIPT, system, *words], check=False, capture_output=True, text=True, env=env, timeout=60
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_plan_needs_nothing_that_only_linux_has(system: str, stand_in_docker: dict[str, str]) -> None:
    done = run(system, "plan", env=stand_in_docker)

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("SOUND  sample")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_report_needs_nothing_that_only_linux_has(system: str) -> None:
    done = run(system, "report", "/nowhere")

    assert (2, "cloison: /nowhere: the proof could not be read: No such file or directory\n") == (
        done.returncode,
        done.stderr,
    )


@pytest.mark.parametrize(("verb", "others"), [("prove", ()), ("rehearse", ()), ("up", ()), ("publish", ("me/image",))])
def test_on_windows_a_verb_that_asks_an_engine_names_wsl(
    verb: str, others: tuple[str, ...], stand_in_docker: dict[str, str]
) -> None:
    done = run("win32", verb, *others, env=stand_in_docker)

    assert 3 == done.returncode
    assert done.stderr.startswith(f"cloison: `cloison {verb}` does not run on Windows itself: run it in WSL")


def test_what_linux_alone_has_is_missing_in_these_tests() -> None:
    program = (
        f"import runpy, sys; system = runpy.run_path({str(SCRIPT)!r})\n"
        "try: system['main']('win32', ['--help'])\n"
        "except SystemExit: pass\n"
        "import fcntl"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert "No module named 'fcntl'" in done.stderr


def test_on_macos_a_proof_asks_the_engine(stand_in_docker: dict[str, str]) -> None:
    done = run("darwin", "prove", env={**stand_in_docker, "DOCKER_HOST": "unix:///nowhere/docker.sock"})

    assert 3 == done.returncode
    assert "no Docker engine answers at unix:///nowhere/docker.sock" in done.stderr
