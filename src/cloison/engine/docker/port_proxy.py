"""The processes of Docker Engine that copy between a published port of the host and a container: `docker-proxy`.

Output: the port and the target that each one names on its command line.
Source: https://github.com/moby/moby/blob/v28.0.0/cmd/docker-proxy/main_linux.go
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from cloison.engine import ProxiedPort
from cloison.linux import listening_sockets
from cloison.model.flow import Protocol

PROGRAM: Final = "docker-proxy"
REQUIRED_FLAGS: Final = frozenset({"-proto", "-host-port", "-container-ip", "-container-port"})


def proxied_ports() -> Iterator[ProxiedPort]:
    """Yield the ports from which running proxies copy, those included that the engine has forgotten."""
    for argv in listening_sockets.command_lines(PROGRAM):
        flags = dict(pairwise(argv))
        if flags.keys() >= REQUIRED_FLAGS:
            yield ProxiedPort(
                flags.get("-host-ip", ""),
                int(flags["-host-port"]),
                Protocol(flags["-proto"]),
                flags["-container-ip"],
                int(flags["-container-port"]),
            )
