"""The wheel is installed by each installer and Python, and runs away from the clone."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
from tests.e2e.distribution.builds import BIN, ROOT, Distribution, interpreter, run, succeed

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PYTHONS = ("3.11", "3.12", "3.13")


def assert_it_works(program: Path, project: Path) -> None:
    """Check that an installed command shows its help and its version, and plans a project."""
    assert "Usage: cloison" in succeed(program, "--help", folder=project)
    assert f"cloison {VERSION}\n" == succeed(program, "--version", folder=project)
    plan = run(program, "plan", folder=project)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "SOUND" in plan.stdout


@pytest.mark.parametrize("version", PYTHONS)
def test_pip_installs_the_wheel_with_the_locked_packages(
    distribution: Distribution, version: str, project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "venv"
    succeed(interpreter(version), "-m", "venv", "--without-pip", folder, folder=tmp_path)
    # One file for all, because with --require-hashes the wheel needs its hash too.
    digest = hashlib.sha256(distribution.wheel.read_bytes()).hexdigest()
    everything = tmp_path / "requirements.txt"
    locked = (ROOT / "requirements/run.txt").read_text()
    everything.write_text(f"{locked}cloison @ {distribution.wheel.as_uri()} --hash=sha256:{digest}\n")
    pip = (BIN / "python", "-m", "pip", "--python", folder / "bin/python", "install", "--quiet", "--no-compile")
    succeed(*pip, "--no-deps", "--require-hashes", "-r", everything, folder=tmp_path)

    assert_it_works(folder / "bin/cloison", project)


def test_pipx_installs_the_wheel(distribution: Distribution, constraints: Path, project: Path, tmp_path: Path) -> None:
    folders = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")}
    python = interpreter("3.12")
    words = ("install", "--python", python, f"--pip-args=--constraint={constraints}", distribution.wheel)
    succeed(BIN / "pipx", *words, folder=tmp_path, **folders)

    assert ["cloison"] == [path.name for path in (tmp_path / "PIPX_BIN_DIR").iterdir()]
    assert (tmp_path / "PIPX_MAN_DIR/man1/cloison.1").exists()
    assert_it_works(tmp_path / "PIPX_BIN_DIR/cloison", project)
    succeed(BIN / "pipx", "uninstall", "cloison", folder=tmp_path, **folders)
    assert [] == [*(tmp_path / "PIPX_BIN_DIR").iterdir()]


def test_uv_installs_the_wheel_as_a_tool(
    distribution: Distribution, constraints: Path, project: Path, tmp_path: Path
) -> None:
    folders = {name: str(tmp_path / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    words = ("tool", "install", "--python", interpreter("3.13"), "--constraints", constraints, distribution.wheel)
    succeed(BIN / "uv", *words, folder=tmp_path, UV_PYTHON_DOWNLOADS="never", **folders)

    assert ["cloison"] == [path.name for path in (tmp_path / "UV_TOOL_BIN_DIR").iterdir()]
    assert_it_works(tmp_path / "UV_TOOL_BIN_DIR/cloison", project)
    succeed(BIN / "uv", "tool", "uninstall", "cloison", folder=tmp_path, **folders)
    assert [] == [*(tmp_path / "UV_TOOL_BIN_DIR").iterdir()]
