"""The settings of `dockerd` that no API tells: its command line, its `daemon.json` and its environment.

Input: the Unix socket of the engine. Output: DaemonFacts, whose members are None where they could not be read.
Rule: nothing here changes anything.
Source: https://docs.docker.com/reference/cli/dockerd/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cloison.findings.host_facts import DaemonFacts, flags
from cloison.linux import processes
from cloison.linux.unix_socket import peer_credentials

PROGRAM: Final = "dockerd"
CONFIG_FILE: Final = "/etc/docker/daemon.json"
CONFIG_FLAG: Final = "--config-file"
NO_RAW_VARIABLE: Final = b"DOCKER_INSECURE_NO_IPTABLES_RAW=1"
CONNECT_TIMEOUT: Final = 5
"""Seconds for the daemon to accept a connection."""


def daemon_facts(engine_socket: str = "") -> DaemonFacts:
    """Return the settings of the daemon that listens on `engine_socket`."""
    pid = _daemon_pid(engine_socket)
    return DaemonFacts(flags=_flags(pid), raw_table_allowed=_is_raw_table_allowed(pid)) if pid else DaemonFacts()


def _daemon_pid(engine_socket: str) -> int:
    """Return the process that listens on the socket, else the only dockerd of this network namespace; 0 for none.

    Where systemd opened the socket (socket activation), the peer is systemd and not the daemon.
    """
    with suppress(OSError):
        pid = peer_credentials(engine_socket, CONNECT_TIMEOUT).pid
        if processes.name(pid) == PROGRAM:
            return pid
    found = list(processes.named(PROGRAM))
    return found[0] if len(found) == 1 else 0


def _flags(pid: int) -> tuple[tuple[str, str], ...] | None:
    """Return the daemon's flags; None where its command line or its file cannot be read."""
    try:
        argv = (processes.PROC / str(pid) / "cmdline").read_text(errors="replace").rstrip("\0").split("\0")
        return flags(argv, _read_config(pid, _config_path(argv)))
    except (OSError, ValueError, TypeError):
        return None


def _config_path(argv: Sequence[str]) -> str:
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, has_value, value = word.partition("=")
        if name == CONFIG_FLAG:
            return value if has_value else following
    return CONFIG_FILE


def _read_config(pid: int, path: str) -> dict[str, Any]:
    """Read the daemon's file below the daemon's own root directory; a file that is not there sets nothing."""
    try:
        read = json.loads((processes.PROC / str(pid) / "root" / path.lstrip("/")).read_text())
    except FileNotFoundError:
        return {}
    if not isinstance(read, dict):
        raise TypeError(f"{path} holds no object")
    return read


def _is_raw_table_allowed(pid: int) -> bool | None:
    try:
        return NO_RAW_VARIABLE not in Path(processes.PROC, str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return None
