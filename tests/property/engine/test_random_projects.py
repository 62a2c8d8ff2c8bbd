"""Prediction against the real engine: on projects that nobody chose, predicted equals observed on every flow."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.rehearse.random_projects import mismatches

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("seed", range(25))
def test_predicted_is_observed(seed: int, tmp_path: Path) -> None:
    found = mismatches(seed, tmp_path)

    assert found.flows
    assert {} == (found.again(seed, tmp_path) if found.found else {})
