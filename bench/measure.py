"""Functions of the benchmarks: run programs, measure times, format results."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = str(Path(sys.executable).parent / "cloison")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its bytecode, and compiles nothing


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparison. `ratio` is theirs over ours or ours over theirs, as `what` says; `goal` 0 has none."""

    what: str
    ours: str
    other: str
    ratio: float
    goal: float = 0
    at_least: bool = False
    """Whether the other side was stopped early, so that the ratio is a lower bound."""
    at_most: bool = False
    """Whether the goal is a maximum."""

    @property
    def is_met(self) -> bool:
        """Whether the goal is met."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    @property
    def row(self) -> str:
        """The result as a row of a Markdown table."""
        bound = "≥ " if self.at_least else ""
        side = "≤" if self.at_most else "≥"
        goal = f"{side} {self.goal:g}: {'met' if self.is_met else '**missed**'}" if self.goal else "none"
        return f"| {self.what} | {self.ours} | {self.other} | {bound}{self.ratio:.3g} | {goal} |"


def run(*words: str, seconds: float = 600, check: bool = True) -> str:
    """Run a program in the project's folder and return its stdout; stderr goes to the terminal."""
    done = subprocess.run(words, cwd=ROOT, check=check, stdout=subprocess.PIPE, text=True, timeout=seconds)
    return done.stdout


def seconds(action: Callable[[], object]) -> float:
    """Return the seconds that a function takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def median_seconds(action: Callable[[], object], times: int = 5) -> float:
    """Return the median of the seconds that a function takes, after one run to warm up."""
    action()
    return statistics.median(seconds(action) for _ in range(times))


def prove(*options: str) -> str:
    """Run the command and return the proof document; the exit code of a breach is accepted."""
    return run(COMMAND, "prove", "--format", "json", *options, check=False)


def say(words: str) -> None:
    """Print progress to stderr."""
    print(words, file=sys.stderr, flush=True)


def table(figures: Sequence[Figure]) -> str:
    """Return the results as a Markdown table."""
    head = "| what | ours | the other | ratio | goal |\n|---|---|---|---|---|"
    return "\n".join([head, *(figure.row for figure in figures)])
