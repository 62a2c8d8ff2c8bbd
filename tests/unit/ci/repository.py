"""A repository with two commits: a base, and a change that opens a connection without need."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
BASE: Final = """\
services:
  web: {image: web, networks: [front], ports: ["8080:80"]}
  db: {image: db, networks: [front], expose: ["3306"]}
networks:
  front: {}
x-cloison:
  allow: [outside -> web:80]
"""
HEAD: Final = BASE.replace("  db:", "  api: {image: api, networks: [front]}\n  db:")
GIT: Final = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")


@dataclass(frozen=True)
class Repository:
    """A repository below a folder of the tests, and the commit before its last one."""

    folder: Path
    base: str

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the repository, with this Cloison in PATH."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("COMPOSE_", "GIT_", "CI_"))}
        path = f"{variables.pop('first', '')}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**clean, "PATH": path, **variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )


def made(folder: Path, base: str = BASE, head: str = HEAD) -> Repository:
    """Make a repository in an empty folder."""
    folder.mkdir()
    subprocess.run([*GIT, "init", "--quiet"], cwd=folder, check=True)
    commits = []
    for text in (base, head):
        (folder / "compose.yml").write_text(text)
        subprocess.run([*GIT, "add", "."], cwd=folder, check=True)
        subprocess.run([*GIT, "commit", "--quiet", "--allow-empty", "-m", "x"], cwd=folder, check=True)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
        commits.append(commit.stdout.strip())
    return Repository(folder, commits[0])
