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
from tests.rehearse.projects import played, random_project

from cloison.errors import CloisonError


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one seed: a project that differs is rehearsed again, for others may work on this machine."""

    seed: int
    flows: int
    first: list[str]
    again: list[str] | None = None


@click.command()
@click.option("--seed", default=1000, show_default=True, help="The first project.")
@click.option("--count", default=100, show_default=True, help="How many projects.")
@click.option("--jobs", default=2, show_default=True, help="How many at the same time.")
def soak(seed: int, count: int, jobs: int) -> NoReturn:
    """Rehearse COUNT random projects and compare what is predicted with what the engine does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        tried = [_shown(found) for found in pool.map(_tried, range(seed, seed + count))]
    once, twice = sum(found.again == [] for found in tried), sum(bool(found.again) for found in tried)
    click.echo(
        f"{count} projects, {sum(found.flows for found in tried)} flows, {time.monotonic() - started:.0f} s: "
        f"{twice} differ, {once} differed once and not again"
    )
    sys.exit(bool(twice))


def _tried(seed: int) -> Tried:
    flows, first = _differences(seed)
    return Tried(seed, flows, first, _differences(seed)[1] if first else None)


def _differences(seed: int) -> tuple[int, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = played(seed, Path(folder))
        except CloisonError as error:
            return 0, [str(error)]
    return len(found.proof.flows), [*found.wrong, *found.unknown]


def _shown(found: Tried) -> Tried:
    if found.first:
        word = "differs" if found.again else "differed once and not again"
        click.echo(f"seed {found.seed} {word}: {json.dumps(random_project(found.seed))}")
        click.echo("".join(f"  {line}\n" for line in found.again or found.first))
    return found


if __name__ == "__main__":
    soak()
