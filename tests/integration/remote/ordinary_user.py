"""An ordinary user: a user ID without an account, in the group of the engine's socket.

All that tells him from others is that he may read every file, for the clone and its Python may lie where only root
reads. He may write nowhere, enter nothing, and use no network but through plain sockets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.compose_project import docker

COMMAND = str(Path(sys.executable).parent / "cloison")
UID = 54321
SOCKET = "/var/run/docker.sock"
CAPABILITY_SET = "-all,+dac_read_search"
STRIPPED_PREFIXES = ("COMPOSE_", "DOCKER_", "XDG_")


@dataclass(frozen=True, slots=True)
class OrdinaryUser:
    """A user with a home."""

    home: Path
    groups: str

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command as this user."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(STRIPPED_PREFIXES)} | {"HOME": str(self.home)}
        return subprocess.Popen(
            [*self._words(), COMMAND, *words],
            env=env | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Run the command as this user; return exit code, stdout and stderr."""
        with self.start(*words, **environment) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def _words(self) -> list[str]:
        who = ["--reuid", str(UID), "--regid", str(UID), *self.groups.split()]
        return [
            "setpriv",
            *who,
            "--inh-caps",
            CAPABILITY_SET,
            "--ambient-caps",
            CAPABILITY_SET,
            "--bounding-set",
            CAPABILITY_SET,
        ]


@contextmanager
def ordinary_user(*, asks: bool = True) -> Iterator[OrdinaryUser]:
    """Have an ordinary user with the Compose of this machine; `asks` says whether the engine listens to him."""
    with TemporaryDirectory(prefix="home") as name:
        home = Path(name)
        (home / ".docker/cli-plugins").mkdir(parents=True)
        for path in _plugins():
            (home / ".docker/cli-plugins" / Path(path).name).symlink_to(path)
        for folder in (home, home / ".docker"):
            os.chown(folder, UID, UID)
        yield OrdinaryUser(home, f"--groups {Path(SOCKET).stat().st_gid}" if asks else "--clear-groups")


def _plugins() -> list[str]:
    shown: Mapping[str, list[Mapping[str, str]]] = json.loads(docker("info", "--format", "{{json .ClientInfo}}"))
    return [plugin["Path"] for plugin in shown.get("Plugins") or ()]
