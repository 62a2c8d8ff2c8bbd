"""Benchmark of the CPU time of one probe, against a loop in C between the same two network namespaces."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.measure import Figure, run, say
from cloison.probe.probe import Probe
from cloison.probe.prober import Prober

PROBES: Final = 50_000
RUNS: Final = 5
ADDRESSES: Final = {"cloison-bench-a": "198.51.100.241", "cloison-bench-b": "198.51.100.242"}
SOURCE: Final = Path(__file__).with_name("cost.c")
NO_WAIT: Final = 0.02
"""Seconds: every probe is answered, so there is no silence to wait for."""


@contextmanager
def two_namespaces() -> Iterator[list[str]]:
    """Create two network namespaces with a veth pair between them during the block; yield their names."""
    names = [*ADDRESSES]
    try:
        for name in names:
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "far", "netns", names[0], "type", "veth", "peer", "name", "far", "netns", names[1])
        for name, address in ADDRESSES.items():
            run("ip", "-n", name, "addr", "add", f"{address}/29", "dev", "far")
            run("ip", "-n", name, "link", "set", "far", "up")
        yield names
    finally:
        for name in names:
            run("ip", "netns", "del", name, check=False)


def figures() -> Iterator[Figure]:
    """Measure both, and take the best of several runs, because other load only makes a run slower."""
    say(f"{PROBES} probes between two namespaces, by the prober and by a loop in C")
    with two_namespaces() as names:
        ours = min(measure_prober(names) for _ in range(RUNS))
        theirs = min(measure_c_loop(names) for _ in range(RUNS))
    what = "processor time of a probe ÷ that of a bare SYN loop in C (lower is better)"
    yield Figure(what, f"{ours:.1f} µs", f"{theirs:.1f} µs", ours / theirs, 3, at_most=True)


def measure_prober(names: list[str]) -> float:
    """Return the CPU time of a probe in microseconds, answered by a RST and seen to arrive."""
    opened = [os.open(f"/run/netns/{name}", os.O_RDONLY) for name in names]
    try:
        with Prober() as prober:
            here, there = (prober.open_sockets(name, opened[at]) for at, name in enumerate(names))
            address = [*ADDRESSES.values()][1]
            probes = [Probe(here, address, 10_000 + number % 50_000, there) for number in range(PROBES)]
            begun = time.process_time()
            prober.send(probes, NO_WAIT)
            return 1e6 * (time.process_time() - begun) / PROBES
    finally:
        for descriptor in opened:
            os.close(descriptor)


def measure_c_loop(names: list[str]) -> float:
    """Return the same of the loop in C."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "cost"
        run("gcc", "-O2", "-o", str(program), str(SOURCE))
        words = ["ip", "netns", "exec", names[0], str(program), *ADDRESSES.values(), str(PROBES)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return float(done.stdout.split()[0])
