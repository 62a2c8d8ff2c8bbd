"""An engine behind ssh, reached with the system's own ssh: its keys, its agent, its known hosts.

Every connection to the socket of a tunnel is one `ssh HOST docker system dial-stdio`, as for the docker client
itself (https://docs.docker.com/engine/security/protect-access/). The library's own way needs paramiko,
which knows neither the user's agent nor all of ssh_config.

Rule: the connection is the process's standard input and output, so it ends with either of them.
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
"""Seconds for the other machine to answer at all."""
PREFIX: Final = "cloison-tunnel-"
LOG_FILE: Final = "said"
"""What ssh says goes here; whoever works with a tunnel, we and its ssh, holds the lock of this file."""
LOCK_GRACE: Final = 60
"""Seconds for a tunnel to take its lock."""


class Tunnel:
    """A socket on this machine that leads to the engine at an `ssh://` address."""

    def __init__(self, address: str) -> None:
        self._argv = _argv(address)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Open the socket; connections are made when somebody asks for one."""
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
        """Where the engine is reached on this machine."""
        return f"unix://{self._folder / 'engine.sock'}"

    def last_error(self) -> str:
        """Return the last thing that ssh said, empty when it said nothing."""
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
                            start_new_session=True,  # a Ctrl-C is ours alone
                        )
                    )

    def _multiplexing_options(self) -> list[str]:
        """Return the options by which later connections go through the first one: one handshake, not ten."""
        return ["-o", "ControlMaster=auto", "-o", "ControlPersist=no", "-S", str(self._folder / "shared")]

    def _close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for process in self._processes:
            with process:
                process.terminate()


def _remove_leftovers() -> None:
    """Remove the folders that killed commands of this user have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or it went by itself
            if time.time() - folder.stat().st_mtime > LOCK_GRACE and folder.stat().st_uid == os.geteuid():
                with (folder / LOG_FILE).open("rb") as log:
                    fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)


def _argv(address: str) -> list[str]:
    """Return the words that start ssh.

    Raises NotProven when there is no ssh, or the address names no machine.
    """
    parts = urlsplit(address)
    # As it is written: the names of ssh_config tell capitals from small letters, and urlsplit does not.
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}").strip("[]")
    if not host:
        raise NotProven(f"{address} names no machine; write it like ssh://user@machine")
    program = shutil.which("ssh")
    if not program:
        raise NotProven(f"the engine is at {address}, and there is no ssh here to get there; install an ssh client")
    options = ["-T", "-o", f"ConnectTimeout={CONNECT_TIMEOUT}", "-o", "BatchMode=yes"]
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    return [program, *options, *user, *port, "--", host, *DIAL_COMMAND]
