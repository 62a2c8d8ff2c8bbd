"""Unix sockets: connect with a time limit, and read the process at the other end.

Source: unix(7), SO_PEERCRED.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, NamedTuple

UCRED: Final = struct.Struct("3i")
"""struct ucred { pid_t pid; uid_t uid; gid_t gid; }, as SO_PEERCRED returns it."""


class PeerCredentials(NamedTuple):
    """The process that called listen(2) on a socket, as the kernel saw it then."""

    pid: int
    """0 when the process is in a PID namespace that this one does not see."""
    uid: int
    gid: int


def connect_unix(path: str, seconds: float) -> socket.socket:
    """Return a connection to the socket at `path`; each operation on it waits at most `seconds`.

    Raises OSError when the connection is not accepted: a listener whose backlog is full is waited for `seconds`.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(seconds)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def peer_credentials(path: str, seconds: float) -> PeerCredentials:
    """Return the process that listens on the socket at `path`.

    Raises OSError when the connection is not accepted within `seconds`.
    """
    with connect_unix(path, seconds) as sock:
        return PeerCredentials(*UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)))
