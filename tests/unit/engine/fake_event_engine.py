"""An engine of the tests on a Unix socket: it answers `/version` and streams the events that a test sends it."""

from __future__ import annotations

import json
import queue
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class FakeEngine(socketserver.ThreadingUnixStreamServer):
    """Streams events; while it `hangs` it takes connections and says nothing."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.hangs = threading.Event()
        self.is_over = threading.Event()
        self.requests: list[str] = []
        self.containers: list[dict[str, Any]] = []
        self._streams: list[queue.SimpleQueue[bytes]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that were closed."""

    def open_stream(self) -> queue.SimpleQueue[bytes]:
        """Return the queue of a new stream."""
        found: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._streams.append(found)
        return found

    @property
    def streams(self) -> int:
        """How many streams were opened."""
        return len(self._streams)

    def send(self, **event: Any) -> None:
        """Send an event to the stream that was opened last."""
        self._streams[-1].put(json.dumps({"timeNano": time.time_ns(), **event}).encode() + b"\n")

    def send_container(self, action: str, project: str) -> None:
        """Send an event of a container."""
        attributes = {"com.docker.compose.project": project}
        self.send(Type="container", Action=action, Actor={"ID": "c1", "Attributes": attributes})

    def send_network(self, action: str, name: str) -> None:
        """Send an event of a network, about the container `c1` on it."""
        self.send(Type="network", Action=action, Actor={"ID": "n1", "Attributes": {"name": name, "container": "c1"}})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeEngine

    def address_string(self) -> str:
        """Return a name: a client of a Unix socket has no address."""
        return "client"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, or hang as the test has it."""
        self.server.requests.append(self.path)
        if self.server.hangs.is_set():
            self.server.is_over.wait(30)
        elif "/events" in self.path:
            self._stream()
        else:
            self._answer({"ApiVersion": "1.41"} if "/version" in self.path else self.server.containers)

    def _answer(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = self.server.open_stream()
        while not self.server.is_over.is_set():
            with suppress(queue.Empty):
                line = events.get(timeout=0.2)
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")


@contextmanager
def fake_engine(path: Path) -> Iterator[FakeEngine]:
    """Run the engine on a socket, to the end of this context."""
    with FakeEngine(path) as engine:
        thread = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            engine.is_over.set()
            engine.shutdown()
            thread.join()


def until(condition: Any, seconds: float = 10) -> None:
    """Wait until a function returns something true."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)
