"""What goes wrong while a proof runs, on purpose: hooks into the prover, and an engine that falls silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import IMAGE, docker

from cloison.observe import session as observe_session
from cloison.observe.interpret import Interpreter
from cloison.probe.prober import Prober

BLOCK = 1 << 16
HOOK_POINTS: dict[str, tuple[Any, str, int]] = {
    "listed": (observe_session, "_open_container_sockets", 1),
    "posted": (Prober, "guard", 1),
    # Two rounds find out who listens, and two more are the proof.
    "between the rounds": (Prober, "_send_round", 4),
    "over": (Interpreter, "observation_of", 1),
}
"""Before which call of what something happens."""


def run_at(monkeypatch: pytest.MonkeyPatch, moment: str, act: Callable[[], object]) -> None:
    """Have something happen at a moment of the next proof, once."""
    owner, name, number = HOOK_POINTS[moment]
    real, calls = getattr(owner, name), []

    def hooked(*given: Any, **named: Any) -> Any:
        calls.append(name)
        if len(calls) == number:
            act()
        return real(*given, **named)

    monkeypatch.setattr(owner, name, hooked)


def logging_service(*ports: tuple[str, int], **more: Any) -> dict[str, Any]:
    """Return a service that listens on ("tcp" or "udp", port), and writes a line for whatever comes to it."""
    code = (
        "import selectors, socket\n"
        "pool = selectors.DefaultSelector()\n"
        f"for protocol, port in {ports!r}:\n"
        "    made = socket.socket(type=socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM)\n"
        "    made.bind(('0.0.0.0', port)); made.listen() if protocol == 'tcp' else None\n"
        "    pool.register(made, selectors.EVENT_READ, protocol)\n"
        "print('listening', flush=True)\n"
        "while True:\n"
        "    for key, _ in pool.select():\n"
        "        came = key.fileobj.accept() if key.data == 'tcp' else key.fileobj.recvfrom(65536)\n"
        "        print(key.data, came, flush=True)\n"
    )
    body: dict[str, Any] = {"image": IMAGE, "entrypoint": ["python", "-c", code], "init": True}
    return body | {"stop_grace_period": "0s", "healthcheck": {"disable": True}} | more


def address(container: str) -> str:
    """Return the first address of a container."""
    return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container).split()[0]


class StallingProxy:
    """A way to an engine that takes `patience` questions, and answers no further one."""

    def __init__(self, engine: str, timeout: float) -> None:
        self.engine, self.timeout, self.asked = engine, timeout, 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def serve(self, listener: socket.socket) -> None:
        """Lead everybody on to the engine."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self.engine)
                self._open += [client, engine]
                threading.Thread(target=self._lead, args=(client, engine, True), daemon=True).start()
                threading.Thread(target=self._lead, args=(engine, client, False), daemon=True).start()

    def _lead(self, source: socket.socket, target: socket.socket, is_asking: bool) -> None:
        with suppress(OSError):
            while part := source.recv(BLOCK):
                with self._lock:
                    self.asked += part.count(b" HTTP/1.1\r\n") if is_asking else 0
                    is_silent = self.asked > self.timeout
                if not is_silent:
                    target.sendall(part)

    def close(self) -> None:
        """Hang up on everybody."""
        for line in self._open:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


@contextmanager
def stalling_engine(folder: Path, engine: str, timeout: float = float("inf")) -> Iterator[tuple[str, StallingProxy]]:
    """Have a way to an engine that is stuck after `patience` questions; the address is what DOCKER_HOST takes."""
    path = folder / f"{timeout}.sock"
    way = StallingProxy(engine, timeout)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=way.serve, args=(listener,))
        thread.start()
        try:
            yield f"unix://{path}", way
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            way.close()
            thread.join()
