"""Proves one small project over and over, for as long as one likes: `setup/soak.sh proofs --count 10000`.

What a proof could leave behind is compared before and after: what the services heard and wrote, what their kernels
counted, and what the machine and the proving processes hold.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import click
from tests.integration.compose_project import POLICY, Lab, docker, three_tiers
from tests.integration.observe.leftovers import links, recorded_locks, registrations, soon
from tests.integration.prober_faults import logging_service
from tests.integration.project_fixtures import build

from cloison.compose.project import Project, project
from cloison.workflow.local_proof import prove_project

DEFAULT_TIMEOUT = 0.05
MARGIN = 8
"""Megabytes by which a process may grow for other reasons than a leak."""
COUNTED = (("Udp", "InDatagrams"), ("Udp", "RcvbufErrors"), ("TcpExt", "ListenOverflows"),
           ("TcpExt", "ListenDrops"), ("TcpExt", "TCPAbortOnOverflow"), ("Tcp", "PassiveOpens"))  # fmt: skip
"""What a kernel counts when a service got something, or was to get it and had no room.

Udp InErrors and NoPorts are no service's: they count what the guard has kept from it.
"""


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What a process that proves holds."""

    process: int
    megabytes: float
    files: int
    locks: frozenset[str] = frozenset()
    """The names of the locks that it took for its last proof."""


@dataclass(frozen=True, slots=True)
class SoakResult:
    """What came of it."""

    words: Counter[str]
    differences: list[str]
    seconds: float


def document() -> dict[str, object]:
    """Return three tiers; two listen on TCP and UDP, and one publishes both."""
    file = three_tiers()
    file["services"]["app"] = logging_service(("tcp", 5000), ("udp", 5300), networks=["back"])
    published = ["127.0.0.1::80", "198.19.255.1::80", "198.19.255.1::53/udp"]
    file["services"]["proxy"] = logging_service(("tcp", 80), ("udp", 53), networks=["front", "back"], ports=published)
    allowed = ["proxy -> app:5300/udp", "outside -> proxy:53/udp"]
    return file | {"x-cloison": POLICY | {"allow": [*POLICY["allow"], *allowed]}}


def run_proofs(lab: Lab, count: int, jobs: int) -> SoakResult:
    """Prove a running project `count` times, `jobs` at a time, and say what is not as it was before."""
    resolved = project(json.loads(lab.compose("config", "--format", "json")))
    before, started = traces(lab), time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        told = list(pool.map(_proven, repeat(resolved, count)))
    seconds = time.monotonic() - started
    found = [f"{what} was {before[what]!r} and is {now!r}" for what, now in traces(lab).items() if now != before[what]]
    found += list(_growth([held for _, held in told]))
    locks = {name for _, held in told for name in held.locks}
    found += [] if soon(lambda: not links(locks)) else ["links are left"]
    found += ["registered sockets are left"] if registrations(locks) else []
    return SoakResult(Counter(word for word, _ in told), found, seconds)


def _proven(resolved: Project) -> tuple[str, ProcessUsage]:
    with recorded_locks() as locks:
        word = prove_project(resolved, DEFAULT_TIMEOUT).verdict.word
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(list(Path("/proc/self/fd").iterdir()))
    return word, ProcessUsage(os.getpid(), pages * resource.getpagesize() / 2**20, files, frozenset(locks))


def _growth(told: list[ProcessUsage]) -> Iterator[str]:
    """Yield what a process holds more of at the end than it did when everything had been loaded once."""
    for process in {held.process for held in told}:
        own = [held for held in told if held.process == process]
        first, last = own[len(own) // 4], own[-1]
        if last.megabytes > first.megabytes + MARGIN:
            yield f"a process grew from {first.megabytes:.0f} to {last.megabytes:.0f} MB"
        if last.files > first.files:
            yield f"a process had {first.files} open files and has {last.files}"


def traces(lab: Lab) -> dict[str, str]:
    """Return what the services wrote, and what their kernels counted for them."""
    return {name: docker("logs", name) for name in lab.containers()} | {
        f"{name} {head} {word}": value
        for name in lab.containers()
        for (head, word), value in _counted(docker("inspect", "-f", "{{.State.Pid}}", name)).items()
        if (head, word) in COUNTED
    }


def _counted(pid: str) -> dict[tuple[str, str], str]:
    """Read a namespace's counters: a line of words after every head, and a line of values."""
    lines = [
        line for table in ("snmp", "netstat") for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()
    ]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {
        (names.partition(":")[0], word): value
        for names, values in pairs
        for word, value in zip(names.split()[1:], values.split()[1:], strict=True)
    }


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Have the project running."""
    folder.mkdir()
    lab = Lab(folder)
    try:
        lab.up(document())
        yield lab
    finally:
        lab.compose("down", "--timeout", "0")


@click.command()
@click.option("--count", default=10_000, show_default=True, help="How many proofs.")
@click.option("--jobs", default=2, show_default=True, help="How many at the same time.")
def soak(count: int, jobs: int) -> NoReturn:
    """Prove a small project COUNT times and compare what could keep a trace of it."""
    build()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / f"soak{os.getpid()}") as lab:
        done = run_proofs(lab, count, jobs)
    said = ", ".join(f"{number} {word}" for word, number in sorted(done.words.items()))
    click.echo(f"{count} proofs in {done.seconds:.0f} s: {said}; {len(done.differences) or 'no'} traces")
    click.echo("".join(f"  {line}\n" for line in done.differences), nl=False)
    sys.exit(bool(done.differences) or set(done.words) != {"proven"})


if __name__ == "__main__":
    soak()
