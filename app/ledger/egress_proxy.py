"""The egress proxy of compose.oidc.yml: it connects to the OpenID provider, and to nothing else.

The network of the application is internal, so that a compromised application reaches nothing outside. This process is
on a network with a gateway and relays for it: HTTP CONNECT (RFC 9110, 9.3.6) to the hosts of the settings, on port 443
or the issuer's own. It sees no content, because TLS is between the application and the provider.

Rules: every wait has a time-out, every connection a time, and there is a limit of both memory and connections.
"""

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from ledger.settings import Settings

PORT: Final = 3128
CONNECT: Final = re.compile(rb"CONNECT (\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5}) HTTP/1\.[01]\r\n")
MAX_HEAD: Final = 8192  # bytes of a request
CHUNK: Final = 65536  # bytes
HEAD_TIMEOUT: Final = 5.0  # seconds
CONNECT_TIMEOUT: Final = 5.0  # seconds
LIFETIME: Final = 60.0  # seconds of a connection; a login needs a few
MAX_CONNECTIONS: Final = 64
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"

Targets = Collection[tuple[str, int]]


def targets(settings: Settings) -> Targets:
    """Return the hosts and ports that may be reached; SystemExit without a provider."""
    if settings.oidc is None:
        raise SystemExit("LEDGER_OIDC_ISSUER is not set: there is nothing to connect to")
    issuer_port = urlsplit(settings.oidc.issuer).port or 443
    return frozenset({(host.lower(), port) for host in settings.oidc.hosts for port in (443, issuer_port)})


class EgressProxy:
    """Relays connections to some targets."""

    def __init__(self, allowed: Targets) -> None:
        self._allowed = allowed
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            if self._slots.locked():
                writer.write(_refusal(503, "Service Unavailable"))
                return
            async with self._slots:
                with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    await self._relay(reader, writer)
        finally:
            await _close(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
        found = CONNECT.match(head)
        if not found:
            writer.write(_refusal(405, "Method Not Allowed"))
            return
        host, port = found[1].decode().strip("[]").lower(), int(found[2])
        if (host, port) not in self._allowed:
            _say(f"refused a connection to {host}:{port}")
            writer.write(_refusal(403, "Forbidden"))
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                there, back = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            _say(f"no answer from {host}:{port}")
            writer.write(_refusal(504, "Gateway Timeout"))
            return
        try:
            writer.write(ESTABLISHED)
            async with asyncio.timeout(LIFETIME):
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            await _close(back)


def run(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Connect to the OpenID provider for the application, and to nothing else."""
    asyncio.run(_run(EgressProxy(targets(settings))))
    return 0


async def _run(proxy: EgressProxy) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await asyncio.start_server(proxy.serve, "0.0.0.0", PORT, limit=MAX_HEAD)  # noqa: S104 - on an internal network
    _say(f"listening on port {PORT}")
    await stopped.wait()
    server.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, TimeoutError):
        writer.close()
        async with asyncio.timeout(1):
            await writer.wait_closed()


def _refusal(status: int, title: str) -> bytes:
    return f"HTTP/1.1 {status} {title}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def _say(sentence: str) -> None:
    sys.stderr.write(f"ledger: {sentence}\n")
