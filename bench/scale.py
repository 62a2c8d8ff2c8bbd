"""Benchmark of the time of a proof by the number of containers, with a synthetic IPv4 and IPv6 project."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.chart import LineChart, render_svg, slope
from bench.measure import COMMAND, ROOT, Figure, run, say, seconds
from cloison.proof.schema import Proof, parse
from cloison.verdict.judge import Judgement

SIZES: Final = range(10, 101, 10)
SERVICES_PER_NETWORK: Final = 5
"""Services that share their first network: each sits on that and on the next one, so a network has ten members."""
PORT: Final = 8000
RUNS: Final = 3
"""Runs of the largest project; the best counts, because other load only makes a run slower."""
SECONDS: Final = 8
MEGABYTES: Final = 180
SAMPLE: Final = 12
"""Containers that are started for one probe each; the others are extrapolated."""
IMAGE: Final = "cloison-bench/listener"
SOURCE: Final = Path(__file__).with_name("listener.c")
PICTURE: Final = ROOT / "docs" / "images" / "scale.svg"
POOL: Final = "fd00:c105:5ca1:{:x}::/64"
"""IPv6 has to be asked for by subnet on older engines; IPv4 is the engine's own choice."""


@dataclass(frozen=True, slots=True)
class Point:
    """One proof: the number of flows, and its cost."""

    services: int
    flows: int
    wall: float
    processor: float
    megabytes: float


def document(services: int) -> dict[str, Any]:
    """Return the Compose file: a chain of networks, every service on two of them."""
    networks = max(SIZES) // SERVICES_PER_NETWORK
    attachments = {
        number: (number // SERVICES_PER_NETWORK, (number // SERVICES_PER_NETWORK + 1) % networks)
        for number in range(services)
    }
    return {
        "name": "cloison-scale",
        "services": {
            f"s{number:03}": {
                "image": IMAGE,
                "stop_grace_period": "0s",
                "networks": [f"n{network}" for network in pair],
            }
            for number, pair in attachments.items()
        },
        "networks": {
            f"n{network}": {"enable_ipv6": True, "ipam": {"config": [{"subnet": POOL.format(network)}]}}
            for network in sorted({network for pair in attachments.values() for network in pair})
        },
    }


@contextmanager
def image() -> Iterator[None]:
    """Build an image with one small program during the block."""
    with tempfile.TemporaryDirectory() as folder:
        run("gcc", "-Os", "-static", "-s", "-o", f"{folder}/listener", str(SOURCE))
        run("tar", "-cf", f"{folder}/image.tar", "-C", folder, "listener")
        run("docker", "import", "-c", 'ENTRYPOINT ["/listener"]', f"{folder}/image.tar", IMAGE)
    try:
        yield
    finally:
        run("docker", "image", "rm", "-f", IMAGE, check=False)


@contextmanager
def growing_project() -> Iterator[Iterator[tuple[int, Path]]]:
    """Run the synthetic project with a growing number of containers; yield its size and its file."""
    with tempfile.TemporaryDirectory() as folder, image():
        path = Path(folder) / "compose.json"

        def steps() -> Iterator[tuple[int, Path]]:
            for size in SIZES:
                path.write_text(json.dumps(document(size)))
                _compose(path, "up", "-d")
                yield size, path

        try:
            yield steps()
        finally:
            _compose(path, "down", "-t", "0")


def _compose(path: Path, *words: str) -> None:
    command = ["docker", "compose", "-f", str(path), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def prove_project(path: Path) -> tuple[Proof, Point]:
    """Prove a project with the command."""
    output = path.with_name("proof.json")
    words = [COMMAND, "prove", "-f", str(path), "--format", "json", "--output", str(output)]
    begun = time.perf_counter()
    started = subprocess.Popen(words, cwd=ROOT)
    _, _, used = os.wait4(started.pid, 0)
    wall = time.perf_counter() - begun
    started.returncode = 0  # it was waited for already
    proof = parse(output.read_bytes())
    point = Point(
        len(proof.project.services), len(proof.flows), wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    )
    if proof.totals[Judgement.UNKNOWN]:
        say(f"{proof.totals[Judgement.UNKNOWN]} of {len(proof.flows)} flows are unknown: {proof.coverage}")
    return proof, point


def figures() -> Iterator[Figure]:
    """Measure every size, and draw the curve."""
    say(f"a project that grows to {max(SIZES)} services over both versions of IP")
    points: list[Point] = []
    with growing_project() as steps:
        for size, path in steps:
            times = RUNS if size == max(SIZES) else 1
            found = [prove_project(path) for _ in range(times)]
            points.append(min((point for _, point in found), key=lambda point: point.wall))
            say(f"  {points[-1]}")
        proof, _ = found[-1]
        theirs = measure_container_probes(proof)
    PICTURE.write_text(render_svg(chart(points)))
    yield from evaluate(points, proof, theirs)


def evaluate(points: list[Point], proof: Proof, each: float) -> Iterator[Figure]:
    """Return the results for the points; `each` is the seconds of a probe by a container of its own."""
    last, networks = points[-1], len(proof.project.networks)
    summary = f"{last.flows} flows in {last.wall:.1f} s, {last.processor:.1f} s of them processor time"
    size = f"{last.services} services on {networks} networks, both versions of IP"
    yield Figure(f"{SECONDS} s ÷ proof of {size}", summary, f"{SECONDS} s", SECONDS / last.wall, 1)
    memory = f"{last.megabytes:.0f} MB"
    yield Figure(f"{MEGABYTES} MB ÷ memory of that proof", memory, f"{MEGABYTES} MB", MEGABYTES / last.megabytes, 1)
    half = points[len(points) // 2 - 1]
    small, large = (1e6 * point.processor / point.flows for point in (half, last))
    what = f"processor time a flow, {last.services} services ÷ {half.services} (1: it grows with the flows alone)"
    yield Figure(what, f"{large:.0f} µs", f"{small:.0f} µs", large / small, 1.25, at_most=True)
    probes = sum(bool(proof.vantages[flow.vantage].container) for flow in proof.flows)
    summary = f"{probes} of them, by {SAMPLE} that were timed: {probes * each / 3600:.1f} h"
    yield Figure(
        f"a container a probe, one by one ÷ proof of {size}",
        f"{last.wall:.1f} s",
        summary,
        probes * each / last.wall,
        30,
    )


def measure_container_probes(proof: Proof) -> float:
    """Return the seconds that a probe takes by a container of its own in the namespace of another."""
    containers = [vantage.container for vantage in proof.vantages if vantage.container]
    addresses = [end.address for end in proof.endpoints if end.container and "." in end.address and end.port == PORT]
    probes = [*zip(containers, addresses, strict=False)][:SAMPLE]

    def ask() -> None:
        for container, address in probes:
            words = ["docker", "run", "--rm", "--network", f"container:{container}", IMAGE, address, str(PORT)]
            subprocess.run(words, capture_output=True, check=False)

    return seconds(ask) / len(probes)


def chart(points: list[Point]) -> LineChart:
    """Return the picture of how time grows with flows."""
    wall = [(float(point.flows), point.wall) for point in points]
    processor = [(float(point.flows), point.processor) for point in points]
    each = 1e6 * slope(processor)
    return LineChart(
        f"A proof of {points[0].services} to {points[-1].services} services: {each:.0f} µs of processor time a flow",
        "flows",
        "seconds",
        {"seconds of processor time": processor, "seconds on the clock": wall},
    )
