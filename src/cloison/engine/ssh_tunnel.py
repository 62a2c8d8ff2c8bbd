"""A tunnel to an engine behind ssh, made with the system's ssh: its keys, its agent, its known hosts.

Input: an `ssh://` address. Output: a Unix socket on this machine. Every connection to that socket starts one
`ssh HOST docker system dial-stdio`, as the docker client does. docker-py's own tunnel needs paramiko, which supports
neither the user's ssh agent nor all of ssh_config.
Rule: the connection is the standard input and output of the ssh process, so each ends with the other.
Source: https://docs.docker.com/engine/security/protect-access/
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from cloison.errors import NotProven

SSH: Final = "ssh://"
DIAL_COMMAND: Final = ("docker", "system", "dial-stdio")
CONNECT_TIMEOUT: Final = 15
"""Seconds for the other machine to accept the connection."""
PREFIX: Final = "cloison-tunnel-"
LOG_FILE: Final = "said"
"""The standard error of ssh; this process and its ssh hold the lock of the file: ssh inherits the descriptor."""
LOCK_GRACE: Final = 60
"""Seconds for a new tunnel to lock its file."""


class Tunnel:
    """A Unix socket on this machine whose connections end at the engine of an `ssh://` address."""

    def __init__(self, address: str) -> None:
        self._argv = _argv(address)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Open the socket; ssh starts with the first connection to it."""
        with ExitStack() as stack:
            _remove_leftovers()
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))
            self._log = stack.enter_context((self._folder / LOG_FILE).open("wb"))
            fcntl.flock(self._log, fcntl.LOCK_EX)
            self._listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            self._listener.bind(str(self._folder / "engine.sock"))
            self._listener.listen()
            threading.Thread(target=self._serve, daemon=True).start()
            stack.callback(self._close)
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def address(self) -> str:
        """The address of the socket on this machine."""
        return f"unix://{self._folder / 'engine.sock'}"

    def last_error(self) -> str:
        """Return the last line of ssh's standard error, empty when there is none."""
        lines = (self._folder / LOG_FILE).read_text(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def _serve(self) -> None:
        with suppress(OSError):  # the listener is shut down
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self._processes.append(
                        subprocess.Popen(  # noqa: S603  # argv is a list, no shell of this machine reads it
                            [*self._argv[:1], *self._multiplexing_options(), *self._argv[1:]],
                            stdin=connection.fileno(),
                            stdout=connection.fileno(),
                            stderr=self._log,
                            start_new_session=True,  # SIGINT of the terminal goes to this process alone
                        )
                    )

    def _multiplexing_options(self) -> list[str]:
        """Return the options that let later connections share the first one: one handshake instead of ten."""
        return ["-o", "ControlMaster=auto", "-o", "ControlPersist=no", "-S", str(self._folder / "shared")]

    def _close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for process in self._processes:
            with process:
                process.terminate()


def _remove_leftovers() -> None:
    """Remove the folders of killed commands of this user."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, in use, or removed meanwhile
            if time.time() - folder.stat().st_mtime > LOCK_GRACE and folder.stat().st_uid == os.geteuid():
                with (folder / LOG_FILE).open("rb") as log:
                    fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)


def _argv(address: str) -> list[str]:
    """Return the command line of ssh.

    Raises NotProven when ssh is not installed, or the address has no host.
    """
    parts = urlsplit(address)
    # Not `parts.hostname`, which is in lower case: the names in ssh_config are case-sensitive.
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}").strip("[]")
    if not host:
        raise NotProven(f"{address} has no host; write it like ssh://user@machine")
    program = shutil.which("ssh")
    if not program:
        raise NotProven(f"{address} needs an ssh client, which is not installed here; install one")
    options = ["-T", "-o", f"ConnectTimeout={CONNECT_TIMEOUT}", "-o", "BatchMode=yes"]
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    return [program, *options, *user, *port, "--", host, *DIAL_COMMAND]
