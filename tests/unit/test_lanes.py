"""Every test of the repository is in exactly one lane of `make test`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANE = re.compile(r'^  \[([a-z]+)\]="(tests/[^"]*)"', re.MULTILINE)
ORDER = re.compile(r"^readonly LANES=\(([a-z ]+)\)$", re.MULTILINE)


def test_every_test_is_in_a_lane_and_runs_once() -> None:
    """A lane leaves out the paths that a later one names, so a test runs in the last lane that names it."""
    script = (ROOT / "setup" / "test.sh").read_text()
    lanes = {name: [ROOT / word for word in words.split()] for name, words in LANE.findall(script)}
    (order,) = ORDER.findall(script)

    assert lanes.keys() == set(order.split())
    for test in (ROOT / "tests").rglob("test_*.py"):
        assert any(test.is_relative_to(path) for paths in lanes.values() for path in paths), test
    for path in (path for paths in lanes.values() for path in paths):
        assert path.exists(), path
