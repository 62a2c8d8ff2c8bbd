"""Prediction against the real engine: on projects that nobody chose, predicted equals observed on every flow."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rehearse.projects import played

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("seed", range(25))
def test_predicted_is_observed(seed: int, tmp_path: Path) -> None:
    found = played(seed, tmp_path)

    assert [] == found.wrong
    assert [] == found.unknown
    assert found.proof.flows
