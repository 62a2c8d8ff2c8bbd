"""Benchmark of the time and the length of a plan, by the number of services and of ports."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.measure import COMMAND, ROOT, Figure, say

SERVICES: Final = 400
NETWORKS: Final = 20
SECONDS: Final = 5
LINES: Final = 200
MEMBERS: Final = 53
MEMBERS_LINES: Final = 60
"""The services that share one network, and the goal for the lines of their report."""
FIRST_PORT: Final = 10_000
LAST_PORT: Final = 20_000
RANGE_SECONDS: Final = 3
RUNS: Final = 3
"""The best of them counts, because other load only makes a run slower."""
POLICY: Final[Mapping[str, Any]] = {"allow": ["outside -> s000:80", "* -> s001:5432", "s002 -> outside"]}
CASES: Final = {
    "identical services": (False, None),
    "different services": (True, None),
    "different services and a policy": (True, POLICY),
}
"""Whether each service exposes a port of its own, and the policy."""


def services(count: int, networks: int, policy: Mapping[str, Any] | None, *, different: bool) -> dict[str, Any]:
    """Return a Compose file with services that share networks in turn, of which every second one is internal."""
    bodies = {
        f"s{number:03}": {
            "image": "x",
            "networks": [f"n{number % networks}"],
            "expose": ["5432", str(3000 + number * different)],
            "ports": ["8080:80"] if number == 0 else [],
        }
        for number in range(count)
    }
    document = {
        "name": "cloison-plan",
        "services": bodies,
        "networks": {f"n{number}": {"internal": bool(number % 2)} for number in range(networks)},
    }
    return document | ({"x-cloison": policy} if policy else {})


def port_range() -> dict[str, Any]:
    """Return a Compose file with a service that publishes thousands of ports."""
    span = f"{FIRST_PORT}-{LAST_PORT}"
    return {
        "name": "cloison-range",
        "services": {"pbx": {"image": "x", "ports": [f"{span}:{span}/udp"]}, "db": {"image": "x"}},
    }


def plan(document: Mapping[str, Any]) -> tuple[float, int]:
    """Return the seconds of the fastest plan of a file, and the lines of its report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compose.json"
        path.write_text(json.dumps(document))
        found = [_plan(path) for _ in range(RUNS)]
    return min(found)


def _plan(path: Path) -> tuple[float, int]:
    begun = time.perf_counter()
    done = subprocess.run([COMMAND, "plan", "-f", str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begun
    if not done.stdout:
        raise SystemExit(f"cloison plan ended with {done.returncode}: {done.stderr}")
    return wall, len(done.stdout.splitlines())


def figures() -> Iterator[Figure]:
    """Measure large files of several kinds."""
    say(f"plans of {SERVICES} services on {NETWORKS} networks, of {MEMBERS} on one, and of a range of ports")
    for name, (different, policy) in CASES.items():
        wall, lines = plan(services(SERVICES, NETWORKS, policy, different=different))
        what = f"plan of {SERVICES} {name} on {NETWORKS} networks"
        yield Figure(f"{SECONDS} s ÷ {what}", f"{wall:.1f} s", f"{SECONDS} s", SECONDS / wall, 1)
        yield Figure(f"{LINES} lines ÷ lines of that {what}", f"{lines}", f"{LINES}", LINES / lines, 1)
        _, lines = plan(services(MEMBERS, 1, policy, different=different))
        what = f"lines of the plan of {MEMBERS} {name} on one network"
        yield Figure(f"{MEMBERS_LINES} lines ÷ {what}", f"{lines}", f"{MEMBERS_LINES}", MEMBERS_LINES / lines, 1)
    wall, lines = plan(port_range())
    what = f"plan of {LAST_PORT - FIRST_PORT + 1:,} published ports ({lines} lines)"
    yield Figure(f"{RANGE_SECONDS} s ÷ {what}", f"{wall:.1f} s", f"{RANGE_SECONDS} s", RANGE_SECONDS / wall, 1)
