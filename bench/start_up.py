"""Benchmark of the start-up time of the command: help, version, and a wrong verb."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from bench.measure import COMMAND, Figure, median_seconds, say

RUNS: Final = 20
HELP: Final = ("--help",)
START_GOAL, HELP_GOAL = 0.2, 0.1
"""Seconds."""
EXIT_CODES: Final[dict[tuple[str, ...], int]] = {HELP: 0, ("--version",): 0, ("prove", "--formt", "json"): 2}
"""The arguments, and the expected exit code."""
IMPORTED: Final = "import cloison.observe.session, cloison.engine.docker"


def figures() -> Iterator[Figure]:
    """Measure the command, and the imports of a proof, which run while Compose resolves the file."""
    say(f"starting, {RUNS} times each")
    bare = _median([sys.executable, "-c", ""], 0)
    for words, code in EXIT_CODES.items():
        ours = _median([COMMAND, *words], code)
        goal = HELP_GOAL if words == HELP else START_GOAL
        summary = f"{1000 * ours:.0f} ms (Python alone {1000 * bare:.0f} ms)"
        limit = f"{1000 * goal:.0f} ms"
        yield Figure(f"{limit} ÷ `cloison {' '.join(words)}`", summary, limit, goal / ours, 1)
    ours = _median([sys.executable, "-c", IMPORTED], 0)
    summary = f"{1000 * ours:.0f} ms"
    yield Figure("what a proof imports ÷ Python alone (lower is better)", summary, f"{1000 * bare:.0f} ms", ours / bare)


def _median(words: Sequence[str], code: int) -> float:
    def start() -> None:
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode != code:
            raise SystemExit(
                f"{' '.join(words)} ended with {done.returncode}, not {code}; the figure would be worthless"
            )

    return median_seconds(start, RUNS)
