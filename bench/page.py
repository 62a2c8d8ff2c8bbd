"""The application's page through the proxy against a naive twin, with wrk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.measure import Figure, run, say

TWIN: Final = ("docker", "compose", "-f", "bench/naive/compose.yml")
TWIN_URL: Final = f"http://127.0.0.1:{os.environ.get('CLOISON_NAIVE_PORT', '18090')}/naive"
LOAD: Final = ("wrk", "-t", "2", "-c", "16", "-d", "8s", "--latency")


@contextmanager
def twin() -> Iterator[None]:
    """Have the naive twin running, on the images of the stack."""
    services = json.loads(run("docker", "compose", "config", "--format", "json"))["services"]
    os.environ |= {"CLOISON_DB_IMAGE": services["db"]["image"], "CLOISON_APP_IMAGE": services["app"]["image"]}
    try:
        run(*TWIN, "up", "-d", "--wait")
        yield
    finally:
        run(*TWIN, "down", "-v", "-t", "0")


def requests_per_second(url: str) -> float:
    """Load a page; every answer must be a good one."""
    run(*LOAD[:-2], "2s", url)
    said = run(*LOAD, url)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if bad:
        raise SystemExit(f"{url} answered {bad[1]} requests with an error; the figure would be worthless")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said  # noqa: S101  # wrk prints it or fails
    return float(found[1])


def figures(url: str) -> Iterator[Figure]:
    """Measure both in one run."""
    say("the page through the proxy, and its naive twin")
    ours = requests_per_second(url)
    with twin():
        theirs = requests_per_second(TWIN_URL)
    yield Figure("page: requests a second ÷ naive twin's", f"{ours:.0f}/s", f"{theirs:.0f}/s", ours / theirs, 5)
