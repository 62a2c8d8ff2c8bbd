"""Clients that hold connections: what each sends at once, and a byte now and then so that no time-out ends it."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.e2e.stack.conftest import Stack

DRIP = 2.0
"""Seconds between two bytes: less than the proxy's time-outs of ten."""
OPEN_FILES = 16_384


@dataclass(frozen=True)
class Held:
    """Connections that are held."""

    lines: list[socket.socket]

    def drip(self, byte: bytes = b"a") -> None:
        """Send one byte on each connection that is still open."""
        for line in self.lines:
            with contextlib.suppress(OSError):
                line.send(byte)


def address_of_proxy(stack: Stack) -> str:
    """Return the container's own address, past the engine's proxy of published ports, which has limits of its own."""
    networks = stack.inspect("proxy")["NetworkSettings"]["Networks"]
    return str(networks[stack.network("frontend_net")]["IPAddress"])


@contextmanager
def holding(stack: Stack, start: bytes, many: int, *, room: int = 0) -> Iterator[Held]:
    """Hold connections that sent as much of `start` as the proxy takes; `room` is what each is ready to receive."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))
    address, ended = address_of_proxy(stack), threading.Event()
    with ExitStack() as opened:
        lines = [opened.enter_context(socket.socket()) for _ in range(many)]
        held = Held(lines)
        for line in lines:
            if room:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            line.settimeout(5)
            line.connect((address, 80))
            line.settimeout(0)
            with contextlib.suppress(OSError):  # it was refused meanwhile, or has taken what it can
                line.send(start)

        def work() -> None:
            while not ended.wait(DRIP):
                held.drip()

        dripping = threading.Thread(target=work)
        dripping.start()
        try:
            yield held
        finally:
            ended.set()
            dripping.join()
