"""A policy stays enforced on several engines while containers, the engine and the packet filter change."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.engine.second_engine import SecondEngine, running

pytestmark = pytest.mark.engine
SUITES = ("installed-3", "trixie", "forky")
MOST_GONE = 1000
"""Milliseconds; on a quiet machine it is some tens."""
CHANGES = {"restarts": 3, "recreates": 3, "connects": 3, "engine-restarts": 2}
PROMPT = 250
"""Milliseconds in which an allowed connection works again; on a quiet machine it is three."""


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest) -> Iterator[SecondEngine]:
    with running(request.param) as found:
        yield found


def report(machine: SecondEngine, program: str, *words: str) -> dict[str, Any]:
    """Return what a program prints that runs on the machine."""
    done = machine.enter(sys.executable, "-m", f"tests.integration.enforce.{program}", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_forbidden_passes_while_containers_and_the_engine_restart(machine: SecondEngine) -> None:
    words = [word for kind, count in CHANGES.items() for word in (f"--{kind}", str(count))]
    found = report(machine, "probed_changes", *words)

    assert ([], [], []) == (found["reached"], found["senders"], found["gaps"])
    assert found["tried"] > 100
    assert {kind.replace("-", "_"): count for kind, count in CHANGES.items()} == {
        kind: told["count"] for kind, told in found["waits"].items()
    }
    # Other tests keep the machine busy, so the best of each kind counts; a pause that is always there is in that, too.
    assert min(found["each"]["restarts"]) < PROMPT
    assert min(found["each"]["recreates"]) < PROMPT


def test_no_other_firewall_opens_or_closes_anything_for_long(machine: SecondEngine) -> None:
    """The last change removes rules of the engine, so it is the last test on each machine."""
    found = report(machine, "firewall_changes")
    unenforced = found.pop("nothing is enforced")
    flushed = {change: seen for change, seen in found.items() if seen["told"]}

    assert unenforced == {"forbidden": True, "allowed": True}
    assert {(False, True)} == {(seen["forbidden"], seen["allowed"]) for seen in found.values()}, found
    assert [[]] * len(found) == [seen["differs"] for seen in found.values()]
    assert {"every rule is flushed", "the service nftables restarts"} == flushed.keys()
    assert all(seen["gone"] < MOST_GONE and seen["told"] < MOST_GONE for seen in flushed.values()), flushed
