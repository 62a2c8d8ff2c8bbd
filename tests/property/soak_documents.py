"""Sends generated documents through the core for any length of time: `make soak SEED=1000 DOCUMENTS=100000`.

The first unexpected exception is reported with a minimal document, and with the seed that reproduces it.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final, NoReturn

import click
from hypothesis import HealthCheck, given, seed, settings
from tests.property.core_pipeline import FuzzParameters
from tests.property.document_example import DOCUMENTS, DOCUMENTS_PER_EXAMPLE, PARAMETERS, check

BATCH: Final = 100
"""The number of examples of one seed."""
BatchResult = tuple[int, Counter[str], str]


@click.command()
@click.option("--seed", "first", default=1000, show_default=True, help="The first batch.")
@click.option("--count", default=100_000, show_default=True, help="How many documents, at least.")
@click.option("--jobs", default=2, show_default=True, help="How many processes.")
def soak(first: int, count: int, jobs: int) -> NoReturn:
    """Send COUNT documents through the core."""
    started, met, crashed = time.monotonic(), Counter[str](), 0
    with ProcessPoolExecutor(jobs) as pool:
        for number, found, crash in pool.map(batch, range(first, first + -(-count // (BATCH * DOCUMENTS_PER_EXAMPLE)))):
            met += found
            if crash:
                crashed += 1
                click.echo(f"seed {number} crashes:\n{crash}")
    told = ", ".join(f"{times} {word}" for word, times in sorted(met.items()))
    click.echo(f"{met.total()} documents, {time.monotonic() - started:.0f} s: {told}; {crashed} seeds crash")
    sys.exit(bool(crashed))


def batch(number: int) -> BatchResult:
    """Run the examples of one seed; return their results, and the crash of the smallest failing one."""
    met: Counter[str] = Counter()

    @seed(number)
    @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(DOCUMENTS, PARAMETERS)
    def examples(document: dict[str, Any], parameters: FuzzParameters) -> None:
        met.update(check(document, parameters))

    try:
        examples()
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is shown with its seed
        return number, met, "".join(traceback.format_exception(error))
    return number, met, ""


if __name__ == "__main__":
    soak()
