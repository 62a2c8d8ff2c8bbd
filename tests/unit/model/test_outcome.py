from __future__ import annotations

from itertools import product

import pytest

from cloison.model.outcome import REACH, Observation, Outcome, Reach, observation, unknown


def test_every_outcome_has_a_row_watched_and_unwatched() -> None:
    assert set(product(Outcome, (True, False))) == set(REACH)


@pytest.mark.parametrize("outcome", Outcome)
def test_no_outcome_means_closed_without_a_watched_namespace(outcome: Outcome) -> None:
    assert Reach.SHUT is not observation(outcome, watched=False, evidence="").reach


@pytest.mark.parametrize(
    ("outcome", "watched", "reach"),
    [
        (Outcome.ACCEPTED, True, Reach.OPEN),
        (Outcome.ACCEPTED, False, Reach.OPEN),
        (Outcome.ARRIVED, True, Reach.OPEN),
        (Outcome.ARRIVED, False, Reach.UNKNOWN),
        (Outcome.REFUSED, True, Reach.SHUT),
        (Outcome.REFUSED, False, Reach.UNKNOWN),
        (Outcome.SILENT, True, Reach.SHUT),
        (Outcome.SILENT, False, Reach.UNKNOWN),
        (Outcome.UNREACHABLE, True, Reach.SHUT),
        (Outcome.UNREACHABLE, False, Reach.UNKNOWN),
        (Outcome.ERROR, True, Reach.UNKNOWN),
        (Outcome.ERROR, False, Reach.UNKNOWN),
    ],
)
def test_an_outcome_has_the_reach_of_its_row(outcome: Outcome, watched: bool, reach: Reach) -> None:
    assert Observation(outcome, reach, "seen") == observation(outcome, watched=watched, evidence="seen")


def test_a_flow_that_could_not_be_probed_is_unknown() -> None:
    assert Observation(Outcome.ERROR, Reach.UNKNOWN, "it died") == unknown("it died")
