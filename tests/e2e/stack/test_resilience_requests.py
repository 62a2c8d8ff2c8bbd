"""What no honest client sends: it is refused in words or dropped, costs little, and holds nobody else up."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.e2e.stack.conftest import soon

if TYPE_CHECKING:
    from tests.e2e.stack.conftest import LedgerProject, Stack

pytestmark = pytest.mark.stack

TCP_ESTABLISHED = "01"
"""The state in /proc/net/tcp (net/tcp_states.h)."""
END = b"Host: x\r\nConnection: close\r\n"
JSON = b"Content-Type: application/json\r\n"
MALFORMED = {
    "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a method that is none": (b"GE\x00T / HTTP/1.1\r\n" + END + b"\r\n", 400),
    "a header without a name": (b"GET / HTTP/1.1\r\n: x\r\n" + END + b"\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: y\r\n" + END + b"\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + END + b"\r\nxy", 400),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n" + END + b"\r\n0\r\n\r\n",
        400,
    ),
    "a chunk whose size is none": (
        b"POST /api/v1/proofs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + JSON + END + b"\r\nxyz\r\n\r\n",
        400,
    ),
    "a length below nothing": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n" + END + b"\r\n", 400),
    "a coding that nobody knows": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + END + b"\r\n", 501),
    "a path out of the root": (b"GET /../../etc/passwd HTTP/1.1\r\n" + END + b"\r\n", 400),
    "an address that is too long": (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + END + b"\r\n", 414),
    "a coding that is misspelt": (b"GET / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n" + END + b"\r\n", 501),
    "a version that there is not": (b"GET / HTTP/3.1\r\n" + END + b"\r\n", 505),
    "a method that is not answered": (b"TRACE / HTTP/1.1\r\n" + END + b"\r\n", 405),
    "too many headers": (b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 200 + END + b"\r\n", 400),
    "headers that are too long": (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 40_000 + b"\r\n" + END + b"\r\n", 400),
    "a body that is too large": (b"POST /api/v1/proofs HTTP/1.1\r\nContent-Length: 99999999\r\n" + END + b"\r\n", 413),
    "a form that is too large": (b"POST /login HTTP/1.1\r\nContent-Length: 2000000\r\n" + END + b"\r\n", 413),
}


def raw(stack: Stack, sent: bytes) -> bytes:
    """Send bytes, and return the head of what comes back."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=15) as line, line.makefile("rb") as answer:
        line.sendall(sent)
        return b"".join(iter(answer.readline, b"\r\n"))


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_malformed_is_refused_by_the_proxy(stack: Stack, kind: str) -> None:
    sent, status = MALFORMED[kind]
    head = raw(stack, sent)

    assert f" {status} ".encode() in head.splitlines()[0]
    assert b"X-Request-ID: " in head
    assert b"X-Content-Type-Options: nosniff" in head


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_malformed_is_answered_in_the_ledger_s_own_words(stack: Stack, kind: str) -> None:
    sent, status = MALFORMED[kind]
    with socket.create_connection(("127.0.0.1", stack.port), timeout=15) as line:
        line.sendall(sent)
        answer = b"".join(iter(lambda: line.recv(65536), b""))

    assert b"<center>" not in answer  # nginx's own page
    assert str(status).encode() in answer.partition(b"\r\n\r\n")[2]


def test_who_goes_away_in_the_middle_costs_nothing(shop: LedgerProject) -> None:
    before = shop.stack.figures()
    start = b"POST /api/v1/proofs HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n" + JSON + b"\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", shop.stack.port), timeout=5) as line:
            line.sendall(start + b"{" * 1000)
    after = shop.stack.figures()
    name = 'ledger_requests_total{method="POST",route="/api/v1/proofs",status="401"}'

    assert before.get(name) == after.get(name)  # the application never heard of them


NOT_PROOFS = {
    "nothing": (b"", {}, 422),
    "not JSON": (b"{", {}, 422),
    "not UTF-8": (b'{"project": "\xff"}', {}, 422),
    "depth without end": (b"[" * 200_000, {}, 422),
    "a number without end": (b"[1" + b"0" * 400_000 + b"]", {}, 422),
    "something else": (b'{"hello": "there"}', {}, 422),
    "another type": (b"<xml/>", {"Content_Type": "text/xml"}, 415),
    "another packing": (b"{}", {"Content_Encoding": "br"}, 415),
    "not gzip": (b"{}", {"Content_Encoding": "gzip"}, 400),
    "half of gzip": (gzip.compress(b"{}" * 5000)[:-12], {"Content_Encoding": "gzip"}, 400),
    "two files of gzip": (gzip.compress(b"{}") * 2, {"Content_Encoding": "gzip"}, 400),
}


@pytest.mark.parametrize("kind", NOT_PROOFS)
def test_what_is_no_proof_is_refused_in_words(shop: LedgerProject, kind: str) -> None:
    body, headers, status = NOT_PROOFS[kind]
    answer = shop.send(body, **headers)

    assert answer.status == status, answer.text
    assert answer.document["error"]["detail"]
    assert answer.document["error"]["request_id"] == answer.headers["X-Request-ID"]


def test_a_bomb_is_not_unpacked(shop: LedgerProject) -> None:
    bomb = gzip.compress(bytes(256 * 1024**2), 6)  # a quarter of a megabyte
    before = processes(shop.stack)
    begin = time.monotonic()
    statuses = [shop.send(bomb, Content_Encoding="gzip").status for _ in range(4)]
    took = time.monotonic() - begin

    assert statuses == [413] * 4
    assert took < 10
    assert processes(shop.stack) == before


@pytest.fixture(scope="module")
def large(session_shop: LedgerProject) -> tuple[bytes, bytes]:
    """Two proofs of as many flows as the largest may have."""
    limit = int(session_shop.stack.inside("app", "python", "-c", LIMIT))
    found = []
    for _ in range(2):
        proof = json.loads(session_shop.body())
        each = len(msgspec.json.encode(proof["flows"][0])) + 1
        times = int((limit - 10_000) / each)
        proof["flows"] *= times
        proof["totals"] = {name: times * count for name, count in proof["totals"].items()}
        for name in ("flows", "unknown"):
            proof["coverage"][name] *= times
        found.append(msgspec.json.encode(proof, order="sorted"))
        assert limit * 0.95 < len(found[-1]) <= limit
    return found[0], found[1]


LIMIT = "from ledger.settings import Settings; print(Settings.from_environment().proof_limit)"


def test_two_of_the_largest_proofs_fit_at_once(shop: LedgerProject, large: tuple[bytes, bytes]) -> None:
    before = processes(shop.stack)
    with ThreadPoolExecutor(2) as both:
        sent = both.map(lambda one: shop.send(gzip.compress(one, 1), Content_Encoding="gzip"), large)
        statuses = [answer.status for answer in sent]

    assert statuses == [201, 201]
    assert processes(shop.stack) == before  # nobody was killed for want of memory


def test_what_is_larger_is_refused(shop: LedgerProject, large: tuple[bytes, bytes]) -> None:
    answer = shop.send(gzip.compress(large[0] + bytes(1024**2), 1), Content_Encoding="gzip")

    assert answer.status == 413
    assert "A proof may have" in answer.text


def processes(stack: Stack) -> list[str]:
    """Return the processes of the application."""
    first = stack.inspect("app")["State"]["Pid"]
    return [str(first), *Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()]


@contextmanager
def slow_ones(stack: Stack, start: bytes, many: int, *, room: int = 0) -> Iterator[list[socket.socket]]:
    """Have many clients that began and do not go on; `room` is what each is ready to receive."""
    # Past the engine's own proxy of published ports, which would read whatever it is sent.
    front = stack.inspect("proxy")["NetworkSettings"]["Networks"][stack.network("frontend_net")]["IPAddress"]
    with ExitStack() as held:
        lines = []
        for _ in range(many):
            line = held.enter_context(socket.socket())
            if room:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            line.settimeout(5)
            line.connect((front, 80))
            line.sendall(start)
            lines.append(line)
        yield lines


def served(stack: Stack, lines: list[socket.socket]) -> int:
    """Return how many of these clients nginx has a connection with; to read an answer would help a slow reader."""
    ports = {f"{line.getsockname()[1]:04X}" for line in lines}
    rows = [row.split() for row in stack.inside("proxy", "cat", "/proc/net/tcp").splitlines()]
    return sum(state == TCP_ESTABLISHED and remote.rpartition(":")[2] in ports for _, _, remote, state, *_ in rows[1:])


def test_slow_clients_hold_nobody_up_and_are_dropped(shop: LedgerProject, large: tuple[bytes, bytes]) -> None:
    stack, name = shop.stack, hashlib.sha256(large[0]).hexdigest()
    post = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\nname="
    read = f"GET /api/v1/proofs/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shop.token}\r\n\r\n".encode()
    with (
        slow_ones(stack, b"GET / HTTP/1.1\r\nX-", 100) as in_headers,
        slow_ones(stack, post, 100) as in_bodies,
        slow_ones(stack, read, 5, room=2048) as in_answers,
    ):
        begin = time.monotonic()
        waits = []
        while time.monotonic() - begin < 6:
            for line in in_headers:
                line.sendall(b"a")
            asked = time.monotonic()
            assert stack.get("/").status == 200
            waits.append(time.monotonic() - asked)
            busy = stack.figures()["ledger_requests_in_progress"]
            time.sleep(0.5)
        slow = [*in_headers, *in_bodies, *in_answers]
        assert served(stack, slow) > 0
        soon(lambda: served(stack, slow) == 0, "nginx drops every slow client")

    assert max(waits) < 1
    assert busy <= 1  # the one that asks
