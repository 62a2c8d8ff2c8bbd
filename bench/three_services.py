"""Benchmark of the verbs that a user waits for most: plan, prove and init of a project of three services."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.measure import COMMAND, Figure, run, say, seconds
from bench.scale import IMAGE, image

GOALS: Final = {"plan": 0.6, "prove": 1.0, "init": 1.5}
"""Seconds. Half a second of a proof is the wait for replies."""
RUNS: Final = 7
"""The best of them counts, because other load only makes a run slower."""
DOCUMENT: Final = f"""\
name: cloison-three
services:
  web: {{image: {IMAGE}, stop_grace_period: 0s, networks: [front]}}
  api: {{image: {IMAGE}, stop_grace_period: 0s, networks: [front, back]}}
  db: {{image: {IMAGE}, stop_grace_period: 0s, networks: [back]}}
networks:
  front: {{}}
  back: {{}}
x-cloison:
  allow: ["web -> api:8000", "api -> db:8000"]
"""


@contextmanager
def running_project() -> Iterator[Path]:
    """Run the project during the block; yield its file."""
    with tempfile.TemporaryDirectory() as folder, image():
        path = Path(folder) / "compose.yml"
        path.write_text(DOCUMENT)
        try:
            run("docker", "compose", "-f", str(path), "up", "-d", "--quiet-pull")
            yield path
        finally:
            run("docker", "compose", "-f", str(path), "down", "-t", "0")


def figures() -> Iterator[Figure]:
    """Measure each verb, after one run to warm up."""
    say(f"three services, {RUNS} times each")
    with running_project() as path:
        for verb, goal in GOALS.items():
            ours = min([seconds(lambda verb=verb: _start(verb, path)) for _ in range(RUNS + 1)][1:])
            what = f"{1000 * goal:.0f} ms ÷ `cloison {verb}` of three services"
            yield Figure(what, f"{1000 * ours:.0f} ms", f"{1000 * goal:.0f} ms", goal / ours, 1)


def _start(verb: str, path: Path) -> None:
    done = subprocess.run([COMMAND, verb, "-f", str(path)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"cloison {verb} ended with {done.returncode}: {done.stderr}")
