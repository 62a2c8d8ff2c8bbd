"""Tests of the counts of connections that need no summary."""

from __future__ import annotations

import pytest
from tests.unit.plan.sample_plans import PLANS
from tests.unit.reports.sample_proofs import PROOFS

from cloison_view.summary import count_connections, summarize

SAMPLES = {**PROOFS, **{f"plan {name}": make for name, make in PLANS.items()}}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_counts_are_those_of_the_summary(name: str) -> None:
    document = SAMPLES[name]()
    expected = summarize(document).connection_counts

    assert expected
    assert [*expected.items()] == [*count_connections(document).items()]
