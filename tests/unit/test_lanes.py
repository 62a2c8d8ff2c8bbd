"""Every test of the repository is in exactly one lane of `make test`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANE = re.compile(r"^readonly (PROCESSOR|ELSEWHERE|HERE)=\(([^)]*)\)", re.MULTILINE)


def lanes() -> dict[str, list[Path]]:
    script = (ROOT / "setup" / "test.sh").read_text()
    return {name: [ROOT / word for word in words.split()] for name, words in LANE.findall(script)}


def test_every_test_is_in_one_lane() -> None:
    found = lanes()

    assert set(found) == {"PROCESSOR", "ELSEWHERE", "HERE"}
    for test in (ROOT / "tests").rglob("test_*.py"):
        chosen = {name for name, paths in found.items() if any(test.is_relative_to(path) for path in paths)}
        # `here` leaves out what is `elsewhere`.
        assert len(chosen - {"HERE"} or chosen) == 1, test
        assert chosen != {"PROCESSOR", "HERE"}, test
