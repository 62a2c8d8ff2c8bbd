"""What `make dist` builds, and Pythons to install it with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BIN = ROOT / ".venv/bin"
SECONDS = 120


def run(*argv: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with further environment variables, and return its result."""
    env = {**os.environ, "NO_COLOR": "1", **variables}
    return subprocess.run(
        [str(word) for word in argv], cwd=folder, env=env, check=False, capture_output=True, text=True, timeout=SECONDS
    )


def succeed(*argv: str | Path, folder: Path, **variables: str) -> str:
    """Run a program that should succeed and return its standard output."""
    done = run(*argv, folder=folder, **variables)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Distribution:
    """The folder of a built distribution."""

    folder: Path

    def only(self, pattern: str) -> Path:
        """Return the one file that a pattern matches."""
        (found,) = self.folder.glob(pattern)
        return found

    @property
    def wheel(self) -> Path:
        """The wheel."""
        return self.only("*.whl")

    @property
    def sdist(self) -> Path:
        """The source distribution."""
        return self.only("*.tar.gz")

    def contents(self) -> Mapping[str, bytes]:
        """Return the bytes of each file."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


def build(folder: Path, **variables: str) -> Distribution:
    """Build the distribution of this clone into a folder."""
    succeed(ROOT / "setup/dist.sh", folder, folder=ROOT, **variables)
    return Distribution(folder)


def locked_versions(folder: Path) -> Path:
    """Write the locked versions without their hashes into a folder, and return the file."""
    lines = (ROOT / "requirements/run.txt").read_text().splitlines()
    file = folder / "constraints.txt"
    file.write_text("".join(f"{line.removesuffix(chr(92)).strip()}\n" for line in lines if "==" in line))
    return file


def interpreter(version: str) -> Path:
    """Return a Python of a version, from PATH or from pyenv; skip the test if this machine has none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = shutil.which(f"python{version}")
    for path in _existing(named, sorted(pyenv.glob(f"versions/{version}.*/bin/python"))):
        done = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], check=False, capture_output=True
        )
        if done.stdout.decode().strip() == version:
            return path
    pytest.skip(f"this machine has no Python {version}, neither in PATH nor in {pyenv}/versions")


def _existing(named: str | None, others: Iterable[Path]) -> list[Path]:
    return [*([Path(named)] if named else []), *others]
