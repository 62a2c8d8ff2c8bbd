"""`python -m bench`: runs the benchmarks and writes docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench import (
    enforcement,
    ledger_database,
    other_tools,
    page_load,
    plan_size,
    probe_cost,
    scale,
    start_up,
    three_services,
)
from bench.measure import ROOT, Figure, run, say, table

NO_RATE_LIMIT: Final = "./proxy/rate-off.conf"
PORT: Final = 18091
STACK_ENVIRONMENT: Final = {
    "COMPOSE_PROJECT_NAME": "cloison-bench",
    "CLOISON_PORT": str(PORT),
    "CLOISON_RATE_FILE": NO_RATE_LIMIT,
}
"""The project name of the benchmarks' own stack, so that no data of another stack are changed."""
TEXT: Final = """# Benchmarks

Written by `make bench`. Both sides of every ratio were measured in the same run on the same machine;
seconds depend on the machine, ratios hardly.

{machine}

{table}

![Seconds of a proof over the number of its flows](images/scale.svg)

- **200 ms**: a delay that users do not notice; the median of twenty starts, compared with a Python that does nothing.
- **three services**: on two networks, each with one listener (`bench/three_services.py`); the best of seven. Half a
  second of a proof is the wait for replies.
- **`docker exec`**: for every flow that starts in a container, one `docker exec` with the tool that the
  image has (bash, nc or Python) and a time-out of one second. It cannot probe from outside, and it has no canary: on
  a port without a listener it counts a refused connection as open.
- **nmap**: inside each container's namespace, every TCP port of every target address of the
  container's flows. It gives up on an address after a minute, so the true ratio is higher.
- **a bare SYN loop in C** (`bench/cost.c`): sends a half-open probe to a closed port and reads the RST. The prober does
  the same and sees the probe arrive as well; both sides' best of five.
- **100 services**: each on two of 20 networks in a chain, IPv4 and IPv6, all pairs (`bench/scale.py`); the best of
  three, because elapsed time depends on other load.
- **plans**: files with many services or ports, resolved by Compose and planned by the command (`bench/plan_size.py`);
  the best of three.
- **a container a probe**: the first method of netassert, `docker run --network container:…` with a program that probes
  once. A sample is timed and multiplied by the flows that start in containers.
- **the one wait**: a missing reply needs a time-out; everything else is the cost of a proof on top (starting Python
  and Compose, requests to the engine, creating the outside machine).
- **naive implementation**: the same picture, matrix and evidence of the same proof from Flask's development server,
  made anew each time over a new connection to the database, no login, no proxy (`bench/naive/`). The stack is measured
  with a session and without the rate limit ([stack.md](stack.md) says how).
- **proofs kept**: different proofs of the stack, compressed, each acknowledged when it is on disk.
- **enforced**: the same connection with and without `cloison enforce`, in turns, medians of seven rounds of two seconds
  (`bench/enforcement.py`). Small packets are datagrams of 64 bytes between two namespaces that a third one bridges.

![Processor time of a small packet by the size of the policy](images/enforcement.svg)

- **a chain with a rule for each pair**: what tools do that write a rule for each connection that they allow.
- **300,000 proofs**: of forty services, in one project ([ledger-database.md](ledger-database.md) has each query).
"""


@contextmanager
def stack() -> Iterator[None]:
    """Run a stack without rate limit during the block, and remove it with its data afterwards."""
    os.environ |= STACK_ENVIRONMENT
    try:
        run("docker", "compose", "up", "-d", "--wait")
        yield
    finally:
        run("docker", "compose", "down", "--volumes")
        for name in STACK_ENVIRONMENT:
            del os.environ[name]


def all_figures() -> Iterator[Figure]:
    """Run every benchmark, in an order in which none disturbs the next."""
    yield from start_up.figures()
    yield from three_services.figures()
    yield from plan_size.figures()
    yield from probe_cost.figures()
    with stack():
        yield from page_load.figures(PORT)
        yield from other_tools.figures()
        yield from enforcement.figures(PORT)
    yield from ledger_database.figures()
    yield from scale.figures()


def main() -> int:
    """Measure, write the page, and return 1 when a goal is missed."""
    found = list(all_figures())
    version = run("docker", "version", "-f", "{{.Server.Version}}").strip()
    machine = (
        f"{os.cpu_count()} cores, Linux {platform.release()}, Docker {version}, Python {platform.python_version()}."
    )
    (ROOT / "docs" / "benchmarks.md").write_text(TEXT.format(machine=machine, table=table(found)))
    print(table(found))
    missed = [figure.what for figure in found if not figure.is_met]
    for what in missed:
        say(f"missed: {what}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
