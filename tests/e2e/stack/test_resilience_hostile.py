"""Clients without a token hold what they can while a proof is sent each second: none is lost, none waits for long."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stack.conftest import soon
from tests.e2e.stack.hostile_clients import holding
from tests.e2e.stack.load_generator import a_proof_each_second

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import LedgerProject, Stack

pytestmark = pytest.mark.stack

SECONDS = 14
"""Longer than the proxy's time-outs of ten seconds."""
HOST = b"Host: x\r\n"
BIG = b"Content-Length: 999999\r\n\r\n" + b"x" * 999_899
SMALL = b"Content-Length: 15999\r\n\r\n" + b"x" * 15_900
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n3fff\r\n" + b"x" * 15_900
TO_PROOFS = b"POST /api/v1/proofs HTTP/1.1\r\n" + HOST
TO_LOGIN = b"POST /login HTTP/1.1\r\n" + HOST
TO_PAGE = b"GET / HTTP/1.1\r\n" + HOST
FALSE_TOKEN = b"Authorization: Bearer clo_" + b"0" * 43 + b"\r\n"
HOSTILE = {
    "bodies of a megabyte, nowhere": (b"POST /nowhere HTTP/1.1\r\n" + HOST + BIG, 180),
    "bodies of a megabyte, where proofs go": (TO_PROOFS + BIG, 180),
    "bodies of a megabyte with a false token": (TO_PROOFS + FALSE_TOKEN + BIG, 180),
    "bodies of a megabyte of a GET": (b"GET /api/v1/proofs HTTP/1.1\r\n" + HOST + BIG, 180),
    "bodies of a small proof": (TO_PROOFS + SMALL, 250),
    "bodies of a form": (TO_LOGIN + SMALL, 250),
    "bodies of a form in chunks": (TO_LOGIN + CHUNKED, 250),
    "headers without end": (TO_PAGE + b"X-A: " + b"a" * 31_000, 7500),
    "headers of the largest size": (TO_PAGE + b"X-A: " + b"a" * 7_000 + b"\r\nX-B: " + b"b" * 7_000, 7500),
    "as many headers as there may be": (TO_PAGE + b"a:b\r\n" * 98, 7500),
    "a request that has only begun": (b"GET / HT", 1500),
    "no request": (b"", 7500),
    "requests that nobody reads": (b"GET /static/ledger.css HTTP/1.1\r\n" + HOST + b"\r\n", 1500),
    "requests for a page, whose connections stay": (b"GET /login HTTP/1.1\r\n" + HOST + b"\r\n", 1000),
}  # fmt: skip


def memory(stack: Stack) -> tuple[int, int, list[str]]:
    """Return bytes in the two file systems of the proxy, how often the kernel killed for memory, and its processes."""
    used = stack.inside("proxy", "df", "--output=used", "--block-size=1", "/tmp", "/run/bodies").split()[1:]  # noqa: S108
    first = stack.inspect("proxy")["State"]["Pid"]
    children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()
    workers = [one for one in children if "worker" in Path(f"/proc/{one}/cmdline").read_text(encoding="utf-8")]
    return int(used[0]), int(used[1]), workers


@pytest.mark.parametrize("kind", HOSTILE)
def test_who_holds_connections_stops_no_proof(shop: LedgerProject, kind: str) -> None:
    start, many = HOSTILE[kind]
    before = memory(shop.stack)
    with a_proof_each_second(shop) as written, holding(shop.stack, start, many):
        time.sleep(SECONDS)
        during = memory(shop.stack)

    assert len(written.asked) >= SECONDS / 2
    soon(lambda: shop.stack.get("/login").status == 200, "pages are answered again")

    assert max(during[:2]) < 4 * 2**20  # bytes on either file system
    assert during[2] == before[2] == memory(shop.stack)[2]  # no worker was killed for its memory
