"""Endpoints of the engine other than its Unix socket, all on this machine: TCP and TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.integration.remote.ordinary_user import SOCKET

BLOCK = 1 << 16


@dataclass(slots=True)
class EngineEndpoint:
    """An endpoint, and the environment that selects it."""

    environment: dict[str, str]
    close: Callable[[], None]
    """Break every connection that is open, as an engine does that dies."""


@contextmanager
def tcp() -> Iterator[EngineEndpoint]:
    """Have the engine on a TCP port of the loopback."""
    with _forwarded(lambda plain: plain) as (port, close):
        yield EngineEndpoint({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}, close)


@contextmanager
def tls(folder: Path) -> Iterator[EngineEndpoint]:
    """Have the engine on a TCP port that asks for a certificate and shows one."""
    _certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with _forwarded(lambda plain: context.wrap_socket(plain, server_side=True)) as (port, close):
        words = {"DOCKER_HOST": f"tcp://127.0.0.1:{port}", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
        yield EngineEndpoint(words, close)


def _certificates(folder: Path) -> None:
    """Make an authority that signs itself, and one certificate of it that serves both sides."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl("req", "-x509", *new, *signed, "-subj", "/CN=engine", "-keyout", "key.pem", "-out", "cert.pem")
    for path in folder.iterdir():
        path.chmod(0o644)


@contextmanager
def _forwarded(dressed: Callable[[socket.socket], socket.socket]) -> Iterator[tuple[int, Callable[[], None]]]:
    opened: list[socket.socket] = []

    def close() -> None:
        for end in opened:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                threading.Thread(target=connect, args=(plain,), daemon=True).start()

    def connect(plain: socket.socket) -> None:
        with suppress(OSError), dressed(plain) as here, socket.socket(socket.AF_UNIX) as there:
            there.connect(SOCKET)
            opened.extend((here, there))
            other = threading.Thread(target=_pump, args=(here, there), daemon=True)
            other.start()
            _pump(there, here)
            other.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1], close
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes from one socket to the other until the end, then shut both down."""
    with suppress(OSError):
        while part := source.recv(BLOCK):
            target.sendall(part)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
