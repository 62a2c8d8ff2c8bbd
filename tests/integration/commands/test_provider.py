"""Docker Compose itself calls the provider: services that depend on the check are created, or are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.version import Version

pytestmark = pytest.mark.engine
SINCE: Final = Version("2.36")
"""The first Compose with providers: https://docs.docker.com/compose/how-tos/provider-services/"""


def document(check: str, **allowed: Any) -> dict[str, Any]:
    """Return a project of two services that never run; the check is a third one."""
    body = {"image": "cloison.test/never-pulled", "networks": ["back"], "profiles": ["never"]}
    return {
        "services": {
            "web": body,
            "db": body,
            "isolation": {"provider": {"type": "cloison", "options": {"check": check, "output": "document.json"}}},
        },
        "networks": {"back": {"internal": True}},
        "x-cloison": {"tolerate": [{"flow": "* -> host", "why": "known"}], **allowed},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    version = compose(tmp_path, "version", "--short").stdout.strip().removeprefix("v")
    if Version(version.partition("-")[0]) < SINCE:
        pytest.skip(f"Docker Compose {version} has no providers; they need {SINCE}")
    project = tmp_path / f"provider{os.getpid()}"
    project.mkdir()
    yield project
    compose(project, "down", "--timeout", "0")


def compose(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose in a folder, with this Cloison in PATH and every service active."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["docker", "compose", *words],
        cwd=project,
        env={**clean, "PATH": path, "COMPOSE_PROFILES": "never"},
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.parametrize(("check", "word"), [("plan", "BREACHED"), ("rehearse", "BREACHED")])
def test_a_check_that_fails_is_compose_s_error(folder: Path, check: str, word: str) -> None:
    (folder / "compose.yml").write_text(json.dumps(document(check)))
    done = compose(folder, "up", "--detach", "isolation")

    assert 1 == done.returncode
    assert f"isolation: {word}: " in done.stderr
    assert json.loads((folder / "document.json").read_text())["verdict"]["exit_code"] == 1


def test_a_check_that_holds_is_no_error(folder: Path) -> None:
    (folder / "compose.yml").write_text(json.dumps(document("plan", allow=["web -> db", "db -> web"])))
    done = compose(folder, "up", "--detach", "isolation")

    assert "SOUND: " in done.stderr
    assert "isolation: " not in done.stderr
    assert 0 == compose(folder, "down").returncode
