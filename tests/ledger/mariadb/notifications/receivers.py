"""Real receivers on this machine: an HTTP server that behaves as told, an SMTP server with TLS and a login."""

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HANG, RESET, DRIP, NONSENSE = "hang", "reset", "drip", "nonsense"


@dataclass
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A receiver of webhooks; `answers` are a status or a behaviour each, the last of them for ever."""

    answers: list[int | str] = field(default_factory=lambda: [200])
    received: list[Received] = field(default_factory=list)
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hook/secret-path") -> str:
        """Return an address of it."""
        return f"http://127.0.0.1:{self.port}{path}"

    def next_answer(self) -> int | str:
        """Return what to do with this request."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = made.next_answer()
            if isinstance(answer, int):
                self.send_response(answer)
                self.send_header("Location", made.url("/elsewhere"))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                misbehave(self.connection, answer, made.released)
                self.close_connection = True

        do_GET = do_POST  # noqa: N815 - http.server's name; a redirect that is followed would arrive as one

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def misbehave(connection: socket.socket, how: str, released: threading.Event) -> None:
    """Answer as no receiver should."""
    if how == RESET:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    elif how == HANG:
        released.wait(30)
    elif how == NONSENSE:
        connection.sendall(b"\x00\xff not http\r\n\r\n")
    else:
        end = time.monotonic() + 30
        while time.monotonic() < end and not released.wait(0.1):  # a byte that never ends a line
            try:
                connection.sendall(b"H")
            except OSError:
                return


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for a name; return its file and the context of a server that has it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", str(key), "-out", str(cert)),
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return cert, context


@dataclass
class Mailbox:
    """What an SMTP server has taken, and how it refuses."""

    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    refusal: str = ""

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a message."""
        if self.refusal:
            return self.refusal
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return "250 taken"

    def messages(self) -> list[EmailMessage]:
        """Return the messages, read."""
        return [message_from_bytes(cast("bytes", one.content), policy=policy.default) for one in self.envelopes]


@contextmanager
def mail_server(security: str, tls: ssl.SSLContext, *, password: str = "") -> Iterator[tuple[Mailbox, int]]:
    """Run an SMTP server, and yield its mailbox and its port."""
    box, loop = Mailbox(), asyncio.new_event_loop()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and given.password == password.encode()
        return AuthResult(success=is_right, handled=False)

    options: dict[str, Any] = {"authenticator": check, "auth_required": True} if password else {}
    if security == "starttls":
        options |= {"tls_context": tls, "require_starttls": True}
    elif password:
        options |= {"auth_require_tls": False}  # TLS is below SMTP, which therefore does not know of it
    listening = loop.run_until_complete(
        loop.create_server(
            lambda: SMTP(box, loop=loop, hostname="localhost", **options),
            "127.0.0.1",
            0,
            ssl=tls if security == "tls" else None,
        )
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box, listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(listening.close)
        asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def cancel_all() -> None:
    """End what still waits for a client."""
    waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
