"""The egress proxy: it relays to the provider alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ledger import egress_proxy
from ledger.egress_proxy import EgressProxy, targets
from ledger.settings import Settings


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back in capitals."""
    while chunk := await reader.read(1000):
        writer.write(chunk.upper())
    writer.close()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Have a server on this machine, and return its port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=egress_proxy.MAX_HEAD)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def ask(port: int, *sent: bytes, closes: bool = True) -> bytes:
    """Send some bytes, and return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in sent:
        writer.write(part)
        await writer.drain()
    if closes:
        writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def connect(host: str, port: int) -> bytes:
    """Return a request for a connection."""
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()


def test_it_relays_to_the_provider_both_ways() -> None:
    async def run() -> bytes:
        async with listening(echo) as provider, listening(EgressProxy({("127.0.0.1", provider)}).serve) as proxy:
            return await ask(proxy, connect("127.0.0.1", provider), b"hello ", b"there" * 50_000)

    assert asyncio.run(run()) == egress_proxy.ESTABLISHED + b"HELLO " + b"THERE" * 50_000


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (connect("127.0.0.2", 443), b"403"),
        (connect("127.0.0.1", 22), b"403"),
        (connect("id.example.evil.test", 443), b"403"),
        (connect("[::1]", 443), b"403"),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n", b"405"),
        (b"CONNECT 127.0.0.1:443:22 HTTP/1.1\r\n\r\n", b"405"),
        (b"CONNECT user@127.0.0.1:443 HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01\r\n\r\n", b"405"),
    ],
)
def test_everything_else_is_refused(request_: bytes, status: bytes) -> None:
    async def run() -> bytes:
        async with listening(EgressProxy({("127.0.0.1", 443), ("id.example", 443)}).serve) as proxy:
            return await ask(proxy, request_)

    assert asyncio.run(run()).startswith(b"HTTP/1.1 " + status)


def test_a_provider_that_is_away_is_said() -> None:
    async def run() -> bytes:
        async with listening(echo) as closed:
            pass
        async with listening(EgressProxy({("127.0.0.1", closed)}).serve) as proxy:
            return await ask(proxy, connect("127.0.0.1", closed))

    assert asyncio.run(run()).startswith(b"HTTP/1.1 504")


@pytest.mark.parametrize("sent", [b"CONNECT 127", b"x" * 20_000, b""])
def test_a_request_that_never_ends_is_closed(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(egress_proxy, "HEAD_TIMEOUT", 0.1)

    async def run() -> bytes:
        async with listening(EgressProxy({("127.0.0.1", 443)}).serve) as proxy:
            return await ask(proxy, sent, closes=False)

    assert asyncio.run(run()) == b""


def test_a_connection_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_proxy, "LIFETIME", 0.1)

    async def run() -> bytes:
        async with listening(echo) as provider, listening(EgressProxy({("127.0.0.1", provider)}).serve) as proxy:
            return await ask(proxy, connect("127.0.0.1", provider), closes=False)

    assert asyncio.run(run()) == egress_proxy.ESTABLISHED


def test_there_is_a_limit_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_proxy, "MAX_CONNECTIONS", 1)

    async def run() -> bytes:
        async with listening(EgressProxy({("127.0.0.1", 443)}).serve) as proxy:
            _, first = await asyncio.open_connection("127.0.0.1", proxy)
            await asyncio.sleep(0.05)
            answer = await ask(proxy, closes=False)
            first.close()
            await first.wait_closed()
            await asyncio.sleep(0.05)
            return answer

    assert asyncio.run(run()).startswith(b"HTTP/1.1 503")


def test_the_targets_are_those_of_the_settings() -> None:
    settings = Settings.from_environment(
        {"LEDGER_OIDC_ISSUER": "https://ID.example:8443/realms/x", "LEDGER_OIDC_HOSTS": "keys.example"}
    )

    assert targets(settings) == {(host, port) for host in ("id.example", "keys.example") for port in (443, 8443)}
    with pytest.raises(SystemExit, match="LEDGER_OIDC_ISSUER is not set"):
        targets(Settings.from_environment({}))
