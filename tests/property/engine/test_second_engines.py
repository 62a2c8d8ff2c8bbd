"""Prediction against other engines than the machine's own: on projects that nobody chose, predicted is observed."""

from __future__ import annotations

import sys

import pytest
from tests.integration.engine.second_engine import running

pytestmark = pytest.mark.engine

COUNT = 6
"""Projects an engine: they have IPv6, internal, routed and isolated networks, and every network mode but `bridge`."""


@pytest.mark.parametrize("suite", ["trixie", "forky"])
def test_predicted_is_observed(suite: str) -> None:
    with running(suite) as machine:
        done = machine.enter(
            sys.executable, "-m", "tests.property.engine.soak_projects", "--seed", "0", "--count", str(COUNT)
        )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"{COUNT} projects (0 did" in done.stdout or f"{COUNT} projects (1 did" in done.stdout
