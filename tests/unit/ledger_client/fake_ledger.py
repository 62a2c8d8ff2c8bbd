"""A ledger of the tests: it keeps proofs as the contract says, or does what one is told to do wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

TOKEN_VARIABLE: Final = "clo_a-token-of-the-tests"


class Ledger(ThreadingHTTPServer):
    """Keeps what is posted; `wrongs` are what it does instead, one a request, `always` what it does to all."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stored: list[str] = []
        self.posted: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.misbehaviours: list[Misbehaviour] = []
        self.always: Misbehaviour | None = None
        self.victim = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that were killed."""

    def enqueue(self, digest: str) -> bool:
        """Keep a proof and return whether it is new."""
        with self.lock:
            is_new = digest not in self.stored
            if is_new:
                self.stored.append(digest)
            return is_new


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Ledger

    def do_POST(self) -> None:
        """Read a proof and do with it what we are told."""
        content = self.rfile.read(length := int(self.headers["Content-Length"]))
        if len(content) < length:  # its sender was killed
            self.close_connection = True
            return
        body = gzip.decompress(content)
        digest = hashlib.sha256(body).hexdigest()
        self.server.headers.append({**self.headers, "path": self.path})
        self.server.posted.append(digest)
        misbehaviour = self.server.misbehaviours.pop(0) if self.server.misbehaviours else self.server.always
        (misbehaviour or store)(self, digest)

    def report(self, status: int, content: object, **headers: str) -> None:
        """Answer."""
        text = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests do."""


Misbehaviour = Callable[[_Handler, str], None]


def store(handler: _Handler, digest: str) -> None:
    """Keep it and say so."""
    handler.report(201 if handler.server.enqueue(digest) else 200, {"digest": digest})


def status(code: int, content: object = None, **headers: str) -> Misbehaviour:
    """Answer with a status, in the ledger's own words unless others are given."""
    words = {"error": {"status": code, "title": "title", "detail": f"detail of {code}"}} if content is None else content
    return lambda handler, _: handler.report(code, words, **headers)


def hang(handler: _Handler, digest: str) -> None:
    """Say nothing for longer than anybody waits."""
    time.sleep(3)


def trickle(handler: _Handler, digest: str) -> None:
    """Send a sign now and then, so that no time-out between two signs ever ends it."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(30):
        with suppress(OSError):
            handler.wfile.write(b"x")
        time.sleep(0.1)


def slowly(handler: _Handler, digest: str) -> None:
    """Keep it and say so, after a while."""
    time.sleep(0.3)
    store(handler, digest)


def disconnect(handler: _Handler, digest: str) -> None:
    """Close without a word, nothing kept."""
    handler.close_connection = True


def store_and_disconnect(handler: _Handler, digest: str) -> None:
    """Keep it and die before saying so."""
    handler.server.enqueue(digest)
    handler.close_connection = True


def truncated_answer(handler: _Handler, digest: str) -> None:
    """Keep it and die in the middle of saying so."""
    handler.server.enqueue(digest)
    handler.wfile.write(b'HTTP/1.1 201 Created\r\nContent-Length: 80\r\n\r\n{"digest": "')
    handler.close_connection = True


def kill_before_storing(handler: _Handler, digest: str) -> None:
    """Kill the sender when its proof has been read and not kept."""
    os.kill(handler.server.victim, signal.SIGKILL)
    handler.close_connection = True


def store_and_kill(handler: _Handler, digest: str) -> None:
    """Kill the sender when its proof is kept and nobody has said so."""
    handler.server.enqueue(digest)
    kill_before_storing(handler, digest)


@contextmanager
def running() -> Iterator[Ledger]:
    """Have a ledger."""
    with Ledger() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
