"""Rehearses random projects for as long as one likes: `make soak SEED=1000 COUNT=300`.

Every project in which prediction and engine disagree is shown with its seed, which brings it back.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click
from tests.integration.rehearse.random_projects import PORT_IS_TAKEN, Mismatches, mismatches, random_project

from cloison.errors import CloisonError


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What came of one seed; what differs is rehearsed again."""

    seed: int
    flows: int
    once: list[str]
    twice: list[str]


@click.command()
@click.option("--seed", default=1000, show_default=True, help="The first project.")
@click.option("--count", default=100, show_default=True, help="How many projects.")
@click.option("--jobs", default=1, show_default=True, help="How many at once; each may disturb the others.")
def soak(seed: int, count: int, jobs: int) -> NoReturn:
    """Rehearse COUNT random projects and compare what is predicted with what the engine does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        # An interruption reaches the main thread, which then removes what it has made.
        each = pool.map if jobs > 1 else map
        tried = [_shown(found) for found in each(_tried, range(seed, seed + count))]
    once, twice = sum(bool(found.once) for found in tried), sum(bool(found.twice) for found in tried)
    unstarted = sum(not found.flows for found in tried)
    flows, seconds = sum(found.flows for found in tried), time.monotonic() - started
    click.echo(
        f"{count} projects ({unstarted} did not start), {flows} flows, {seconds:.0f} s: "
        f"{twice} differ, {once - twice} differed once and not again"
    )
    sys.exit(bool(twice))


def _tried(seed: int) -> SeedResult:
    with tempfile.TemporaryDirectory() as folder:
        try:
            first = mismatches(seed, Path(folder))
        except CloisonError as error:
            if PORT_IS_TAKEN in str(error):
                click.echo(f"seed {seed} did not start: {error}")
                return SeedResult(seed, 0, [], [])
            first = Mismatches(0, {(): str(error)})
        try:
            again = first.again(seed, Path(folder)) if first.found else {}
        except CloisonError as error:
            again = {} if PORT_IS_TAKEN in str(error) else {(): str(error)}
    return SeedResult(seed, first.flows, [*first.found.values()], [*again.values()])


def _shown(found: SeedResult) -> SeedResult:
    if found.once:
        word = "differs" if found.twice else "differed once and not again"
        click.echo(f"seed {found.seed} {word}: {json.dumps(random_project(found.seed))}")
        click.echo("".join(f"  {line}\n" for line in found.twice or found.once))
    return found


if __name__ == "__main__":
    soak()
