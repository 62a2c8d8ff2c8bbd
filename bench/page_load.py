"""Benchmarks of the ledger: a project's page against a naive implementation, with wrk, and stored proofs a second."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from bench.measure import COMMAND, Figure, run, say

TWIN: Final = ("docker", "compose", "-p", "cloison-naive", "-f", "bench/naive/compose.yml")
TWIN_PORT: Final = int(os.environ.get("CLOISON_NAIVE_PORT", "18090"))
LOAD: Final = ("wrk", "-t", "2", "-c", "16", "-d", "8s", "--latency")
PROJECT: Final = "bench"
SENDERS: Final = (1, 8)
SECONDS: Final = 6.0


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of wrk: requests a second, and latencies in milliseconds."""

    rate: float
    median: float
    p99: float


@contextmanager
def naive_implementation(document: bytes) -> Iterator[None]:
    """Run the naive implementation with one proof, on the images of the stack, during the block."""
    services = json.loads(run("docker", "compose", "config", "--format", "json"))["services"]
    os.environ |= {"CLOISON_DB_IMAGE": services["db"]["image"], "CLOISON_APP_IMAGE": services["app"]["image"]}
    try:
        run(*TWIN, "up", "-d", "--wait")
        status, output = _request(TWIN_PORT, "POST", "/naive", document, {"Content-Type": "application/json"})
        if status != 200:  # noqa: PLR2004
            raise SystemExit(f"the naive implementation rejected the proof: {status} {output[:200]!r}")
        yield
    finally:
        run(*TWIN, "down", "-v", "-t", "0")


def load(url: str, *headers: str) -> LoadResult:
    """Load a page with wrk; every response must be successful."""
    extra = [word for header in headers for word in ("-H", header)]
    run(*LOAD[:-2], "2s", *extra, url)
    output = run(*LOAD, *extra, url)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if bad:
        raise SystemExit(f"{url} answered {bad[1]} requests with an error; the figure would be worthless")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert rate, output  # noqa: S101  # wrk prints it or fails
    return LoadResult(float(rate[1]), _milliseconds(output, "50%"), _milliseconds(output, "99%"))


def figures(port: int) -> Iterator[Figure]:
    """Measure both pages, and the rate of stored proofs, in one run."""
    say("the project's page through the proxy, and its naive implementation")
    document = run(COMMAND, "prove", "--format", "json", check=False).encode()
    token = _create_project()
    _send_proof(port, token, document)
    cookie = _log_in(port)
    url = f"http://127.0.0.1:{port}/projects/{PROJECT}"
    if "<svg" not in _request(port, "GET", f"/projects/{PROJECT}", None, {"Cookie": cookie})[1].decode():
        raise SystemExit(f"{url} does not show the proof; the figure would be worthless")
    ours = load(url, f"Cookie: {cookie}")
    with naive_implementation(document):
        theirs = load(f"http://127.0.0.1:{TWIN_PORT}/naive")
    yield Figure("page: requests a second ÷ naive implementation's", f"{ours.rate:.0f}/s", f"{theirs.rate:.0f}/s",
                 ours.rate / theirs.rate, 15)  # fmt: skip
    yield Figure("page: naive implementation's median ÷ our p99", f"{ours.p99:.0f} ms", f"{theirs.median:.0f} ms",
                 theirs.median / ours.p99, 1)  # fmt: skip
    say("proofs kept a second")
    rates = {senders: _proofs_per_second(port, token, document, senders) for senders in SENDERS}
    one, many = rates.values()
    yield Figure(
        f"proofs kept a second, on disk: {SENDERS[1]} senders ÷ one", f"{many:.0f}/s", f"{one:.0f}/s", many / one
    )


def _create_project() -> str:
    """Create the project and return a token of it."""
    ledger = ("docker", "compose", "exec", "-T", "app", "python", "-m", "ledger")
    run(*ledger, "add-project", PROJECT)
    return run(*ledger, "new-token", PROJECT, "bench", "--read", "--write", "--replace").strip()


def _log_in(port: int) -> str:
    """Create a reader of the project, and return the session cookie."""
    ledger = ("docker", "compose", "exec", "-T", "app", "python", "-m", "ledger")
    name = f"bench-{int(time.time())}"
    password = run(*ledger, "add-user", name, "--project", PROJECT).strip()
    session = _send_form(port, "/login", "", name=name, password=password, next="/")
    chosen = secrets.token_urlsafe()  # a password that somebody else made opens no page but this
    return _send_form(port, "/account", session, password=password, new=chosen, again=chosen)


def _send_form(port: int, path: str, session: str, **fields: str) -> str:
    """Open the page of a form, send the form, and return the session cookie that comes back."""
    status, page, headers = _request_with_headers(port, "GET", path, None, {"Cookie": session} if session else {})
    token = re.search(r'name="csrf" value="(\w+)"', page.decode())
    assert token, (status, page[:500])  # noqa: S101  # the form has it or the figure is worthless
    form = urlencode({"csrf": token[1], **fields}, quote_via=quote).encode()
    cookie = session or _cookie(headers, "cloison_visitor")
    given = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    _, _, headers = _request_with_headers(port, "POST", path, form, given)
    return _cookie(headers, "cloison_session")


def _cookie(headers: list[tuple[str, str]], name: str) -> str:
    return next(
        value.partition(";")[0] for header, value in headers
        if header.lower() == "set-cookie" and value.startswith(f"{name}=")
    )  # fmt: skip


def _proofs_per_second(port: int, token: str, document: bytes, senders: int) -> float:
    """Send different proofs as fast as the ledger acknowledges them."""
    end = time.monotonic() + SECONDS
    whole: dict[str, Any] = json.loads(document)

    def send(first: int) -> int:
        kept = 0
        while time.monotonic() < end:
            now = time.time_ns() // 1_000_000
            started = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1000))
            number = {"duration_ms": first + senders * kept}  # two proofs may start in the same millisecond
            whole_of_mine = {**whole, **number, "started": f"{started}.{now % 1000:03}Z"}
            _send_proof(
                port,
                token,
                json.dumps(whole_of_mine, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(),
            )
            kept += 1
        return kept

    with ThreadPoolExecutor(senders) as pool:
        return sum(pool.map(send, range(senders))) / SECONDS


def _send_proof(port: int, token: str, document: bytes) -> None:
    given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    status, output = _request(port, "POST", f"/api/v1/proofs?as={PROJECT}", gzip.compress(document, 1), given)
    if status not in {200, 201}:
        raise SystemExit(f"the ledger did not keep a proof: {status} {output[:300]!r}")


def _request(port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    return _request_with_headers(port, method, path, body, headers)[:2]


def _request_with_headers(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, bytes, list[tuple[str, str]]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheaders()
    finally:
        connection.close()


def _milliseconds(output: str, share: str) -> float:
    """Return a line of wrk's latencies, such as `99%   12.34ms` or `99%    1.68s `."""
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m) *$", output, re.MULTILINE)
    assert found, output  # noqa: S101  # wrk prints it or fails
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[found[2]]
