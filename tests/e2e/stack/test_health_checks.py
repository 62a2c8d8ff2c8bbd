"""The proxy's health check asks through the published port: well inside and away outside is not healthy."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import soon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack.conftest import Stack

pytestmark = pytest.mark.stack


def servers_of_the_port(stack: Stack) -> list[int]:
    """Return the engine's own processes for the published port (docker-proxy), one for each family of addresses."""
    ends = f"-host-port\0{stack.port}\0".encode()
    found = {int(path.parent.name): path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [process for process, words in found.items() if b"docker-proxy" in words and ends in words]


@contextmanager
def hanging(processes: list[int]) -> Iterator[None]:
    """Stop processes, which are there and do not answer, and let them go on."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def said(stack: Stack) -> str:
    return str(stack.inspect("proxy")["State"]["Health"]["Log"][-1]["Output"])


def test_a_published_port_that_hangs_is_not_healthy(stack: Stack) -> None:
    servers = servers_of_the_port(stack)
    assert servers, "this engine has no process for the published port"
    soon(lambda: stack.inside("proxy", "ls", "/tmp/published-port-answered", check=False) != "", "the port answered")  # noqa: S108
    with hanging(servers):
        soon(lambda: stack.health() == ["healthy", "healthy", "unhealthy"], "the port is missed")
        assert f"nginx answers, but the published port {stack.port} no longer does" in said(stack)
        assert "docker compose restart proxy" in said(stack)
    soon(stack.is_whole, "it answers again")
