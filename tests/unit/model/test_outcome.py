from __future__ import annotations

from itertools import product

import pytest

from cloison.model.outcome import REACH, Observation, Outcome, Reach, observation, unknown


def test_every_outcome_has_a_row_watched_and_unwatched() -> None:
    assert set(product(Outcome, (True, False))) == set(REACH)


@pytest.mark.parametrize("outcome", Outcome)
def test_nothing_is_shut_without_a_watcher(outcome: Outcome) -> None:
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
def test_an_outcome_means_what_a_watcher_can_vouch_for(outcome: Outcome, watched: bool, reach: Reach) -> None:
    assert Observation(outcome, reach, "seen") == observation(outcome, watched=watched, evidence="seen")


def test_what_could_not_be_asked_is_unknown() -> None:
    assert Observation(Outcome.ERROR, Reach.UNKNOWN, "it died") == unknown("it died")
