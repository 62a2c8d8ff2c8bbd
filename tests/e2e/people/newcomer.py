"""Somebody with a machine on which Cloison never was: runs lines of README.md, and counts lines and seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.distribution.builds import BIN, Distribution, locked_versions, succeed
from tests.e2e.people.readme_blocks import INTRODUCTION, blocks, lines

LINE_SECONDS: Final = 120
MOST_SECONDS: Final = 600
"""The first ten minutes."""
SECURE_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUDO: Final = f"""#!/bin/sh
exec env -i HOME={Path.home()} PATH={SECURE_PATH} "$@"
"""
"""What sudo does by default: another PATH, and no variable of the user (Debian's env_reset and secure_path)."""
FOREIGN: Final = ("CLOISON_", "COMPOSE_", "PIPX_", "PYTEST_", "PYTHON", "UV_", "VIRTUAL_ENV", "XDG_")
"""Beginnings of variables that a clean machine has not."""


@dataclass(slots=True)
class Newcomer:
    """A home folder of its own, and what was done from it."""

    home: Path
    variables: Mapping[str, str]
    commands: int = 0
    seconds: float = 0
    said: list[str] = field(default_factory=list)

    def run(self, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a line with bash in a folder, as one command, and return its result."""
        begin = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env={**self.variables},
            capture_output=True,
            text=True,
            timeout=LINE_SECONDS,
            check=False,
        )
        self.commands += 1
        self.seconds += time.monotonic() - begin
        self.said.append(f"$ {line}\n{done.stdout}{done.stderr}exit {done.returncode}")
        return done

    def succeed(self, line: str, folder: Path) -> str:
        """Run a line that should end with 0, and return its standard output."""
        done = self.run(line, folder)
        assert done.returncode == 0, self.said[-1]
        return done.stdout

    def report(self, most_commands: int) -> None:
        """Print and check what the way to the goal took."""
        sys.stdout.write(f"{self.commands} commands, {self.seconds:.1f} s\n")
        assert self.commands <= most_commands
        assert self.seconds <= MOST_SECONDS


def newcomer(folder: Path, distribution: Distribution) -> Newcomer:
    """Return somebody who has installed the command with the first line of README.md, with the wheel for its name."""
    tools, home = folder / "tools", folder / "home"
    (home / ".docker").mkdir(parents=True)
    tools.mkdir()
    (tools / "uv").symlink_to(BIN / "uv")
    (tools / "sudo").write_text(SUDO)
    (tools / "sudo").chmod(0o755)
    plugins = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "cli-plugins"
    if plugins.is_dir():  # Compose is a package of the system elsewhere
        (home / ".docker/cli-plugins").symlink_to(plugins)
    person = Newcomer(home, _variables(folder, home, tools))
    assert person.run("command -v cloison", home).returncode != 0, "the machine is not clean"
    person.commands = 0

    (install,) = (line for line in lines(blocks(INTRODUCTION, "sh")[0]) if line.startswith("uv "))
    assert "uv tool install cloison " in install
    person.succeed(install.replace("install cloison ", f"install {distribution.wheel} "), home)
    return person


def _variables(folder: Path, home: Path, tools: Path) -> Mapping[str, str]:
    """Return the environment; the packages are those that are locked, from the cache of uv where they are in it."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    found.pop("DOCKER_CONFIG", None)
    return {
        **found,
        "HOME": str(home),
        "PATH": f"{tools}:{home}/.local/bin:{SECURE_PATH}",
        "NO_COLOR": "1",
        "UV_PYTHON": str(Path(sys.base_prefix) / "bin/python3"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CONSTRAINT": str(locked_versions(folder)),
        "UV_CACHE_DIR": succeed(BIN / "uv", "cache", "dir", folder=folder).strip(),
    }
