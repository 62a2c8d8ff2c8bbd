from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fake_engine import STACK

from cloison.model.flow import Flow
from cloison.model.outcome import REACH, Observation, Outcome, Reach, observation, unknown
from cloison.predict.context import Prediction
from cloison.verdict.intent import Intent, Intention
from cloison.verdict.judge import JUDGEMENT, Cause, JudgedFlow, Judgement, compare, exit_code, judge

SEEN = {
    Reach.OPEN: observation(Outcome.ACCEPTED, watched=True, evidence="accepted"),
    Reach.SHUT: observation(Outcome.SILENT, watched=True, evidence="silence"),
    Reach.UNKNOWN: unknown("not seen"),
}
FLOW = STACK.flows()[0]


def judged(intent: Intent, predicted: Reach, seen: Observation) -> JudgedFlow:
    """Judge one flow."""
    matrices = ({FLOW: Intention(intent)}, {FLOW: Prediction(predicted, "the rule")}, {FLOW: seen})
    return compare(*matrices)[0]


@pytest.mark.parametrize(("intent", "reach"), [*product(Intent, Reach)])
def test_every_pair_has_a_judgement_and_nothing_unknown_is_more_than_unknown(intent: Intent, reach: Reach) -> None:
    word = judge(intent, SEEN[reach])

    assert word in Judgement
    assert (word is Judgement.UNKNOWN) is (reach is Reach.UNKNOWN or intent is Intent.UNDECIDED)


@pytest.mark.parametrize(
    ("intent", "outcome", "word"),
    [
        (Intent.OPEN, Outcome.ACCEPTED, Judgement.HOLDS),
        (Intent.OPEN, Outcome.ARRIVED, Judgement.BROKEN),  # a service whose answer is lost is not usable
        (Intent.OPEN, Outcome.SILENT, Judgement.BROKEN),
        (Intent.OPEN, Outcome.REFUSED, Judgement.BROKEN),
        (Intent.OPEN, Outcome.ERROR, Judgement.UNKNOWN),
        (Intent.SHUT, Outcome.ACCEPTED, Judgement.BREACH),
        (Intent.SHUT, Outcome.ARRIVED, Judgement.BREACH),  # one direction is enough
        (Intent.SHUT, Outcome.SILENT, Judgement.HOLDS),
        (Intent.SHUT, Outcome.UNREACHABLE, Judgement.HOLDS),
        (Intent.SHUT, Outcome.ERROR, Judgement.UNKNOWN),
        (Intent.TOLERATED, Outcome.ACCEPTED, Judgement.TOLERATED),
        (Intent.TOLERATED, Outcome.ARRIVED, Judgement.TOLERATED),
        (Intent.TOLERATED, Outcome.SILENT, Judgement.HOLDS),
        (Intent.TOLERATED, Outcome.ERROR, Judgement.UNKNOWN),
        (Intent.OPTIONAL, Outcome.ACCEPTED, Judgement.HOLDS),
        (Intent.OPTIONAL, Outcome.SILENT, Judgement.HOLDS),
        (Intent.OPTIONAL, Outcome.ERROR, Judgement.UNKNOWN),
        (Intent.UNJUDGED, Outcome.ACCEPTED, Judgement.UNJUDGED),
        (Intent.UNJUDGED, Outcome.SILENT, Judgement.UNJUDGED),
        (Intent.UNJUDGED, Outcome.ERROR, Judgement.UNKNOWN),
        (Intent.UNDECIDED, Outcome.ACCEPTED, Judgement.UNKNOWN),
        (Intent.UNDECIDED, Outcome.SILENT, Judgement.UNKNOWN),
        (Intent.UNDECIDED, Outcome.ERROR, Judgement.UNKNOWN),
    ],
)
def test_a_watched_flow_gets_its_judgement(intent: Intent, outcome: Outcome, word: Judgement) -> None:
    assert word is judge(intent, observation(outcome, watched=True, evidence=""))


@pytest.mark.parametrize(("intent", "key"), [*product(Intent, REACH)])
def test_only_what_is_known_can_hold(intent: Intent, key: tuple[Outcome, bool]) -> None:
    outcome, watched = key
    seen = observation(outcome, watched=watched, evidence="")

    holds = judge(intent, seen) is Judgement.HOLDS
    assert not holds or seen.reach is not Reach.UNKNOWN
    assert not (holds and intent is Intent.SHUT) or seen.reach is Reach.SHUT
    assert not (holds and intent is Intent.OPEN) or outcome is Outcome.ACCEPTED


def test_no_row_of_the_table_judges_what_is_unknown() -> None:
    assert not [key for key in JUDGEMENT if Reach.UNKNOWN in key or Intent.UNDECIDED in key]


@pytest.mark.parametrize(
    ("predicted", "cause"), [(Reach.OPEN, Cause.FILE), (Reach.SHUT, Cause.DRIFT), (Reach.UNKNOWN, None)]
)
def test_the_prediction_decides_the_cause_of_a_breach(predicted: Reach, cause: Cause | None) -> None:
    assert cause is judged(Intent.SHUT, predicted, SEEN[Reach.OPEN]).cause


@pytest.mark.parametrize(("intent", "predicted", "seen"), [*product(Intent, Reach, Reach)])
def test_only_a_breach_has_a_cause_and_only_a_known_difference_is_drift(
    intent: Intent, predicted: Reach, seen: Reach
) -> None:
    item = judged(intent, predicted, SEEN[seen])

    assert item.cause is None or item.judgement is Judgement.BREACH
    assert item.drift is ((predicted, seen) in {(Reach.OPEN, Reach.SHUT), (Reach.SHUT, Reach.OPEN)})


@pytest.mark.parametrize("hole", [0, 1, 2])
def test_a_matrix_with_a_missing_flow_is_no_proof(hole: int) -> None:
    matrices: list[Mapping[Flow, Any]] = [STACK.intended(), STACK.predicted(), STACK.observed()]
    matrices[hole] = {flow: cell for flow, cell in matrices[hole].items() if flow != FLOW}

    with pytest.raises(KeyError) as caught:
        compare(*matrices)

    assert FLOW == caught.value.args[0]


def test_flows_are_judged_in_order_whatever_order_they_come_in() -> None:
    intended, predicted, observed = STACK.intended(), STACK.predicted(), STACK.observed()
    backwards = dict(reversed(intended.items())), predicted, dict(reversed(observed.items()))

    assert compare(intended, predicted, observed) == compare(*backwards)
    assert STACK.flows() == [item.flow for item in compare(*backwards)]


def proof_of(*words: Judgement) -> list[JudgedFlow]:
    """Return judged flows with these judgements."""
    return [replace(judged(Intent.SHUT, Reach.SHUT, SEEN[Reach.SHUT]), judgement=word) for word in words]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([Judgement.HOLDS], 0),
        ([Judgement.HOLDS, Judgement.TOLERATED, Judgement.UNJUDGED], 0),
        ([Judgement.HOLDS, Judgement.UNKNOWN], 3),
        ([Judgement.HOLDS, Judgement.BREACH], 1),
        ([Judgement.HOLDS, Judgement.BROKEN], 1),
        ([Judgement.UNKNOWN, Judgement.BREACH], 1),
        ([Judgement.BROKEN, Judgement.UNKNOWN], 1),
        ([], 3),
    ],
)
def test_one_wins_over_three_and_no_flow_is_no_proof(words: list[Judgement], code: int) -> None:
    assert code == exit_code(proof_of(*words), complete=True)


WORDS = st.lists(st.sampled_from(Judgement))


@given(WORDS, st.booleans(), st.booleans())
def test_a_proof_is_proven_only_if_nothing_is_wrong_unknown_or_missing(
    words: list[Judgement],
    complete: bool,
    strict: bool,
) -> None:
    wrong = {Judgement.BREACH, Judgement.BROKEN} | ({Judgement.TOLERATED} if strict else set())
    expected = 1 if wrong & {*words} else 0 if complete and words and Judgement.UNKNOWN not in words else 3

    assert expected == exit_code(proof_of(*words), complete=complete, strict=strict)


@given(WORDS, st.sampled_from(Judgement))
def test_no_further_flow_makes_a_failed_proof_pass(words: list[Judgement], word: Judgement) -> None:
    before = exit_code(proof_of(*words), complete=True)

    after = exit_code(proof_of(*words, word), complete=True)
    assert after != 0 or before == 0 or not words


@given(WORDS)
def test_strict_never_lowers_the_exit_code(words: list[Judgement]) -> None:
    proof = proof_of(*words)

    assert exit_code(proof, complete=True) == 0 or exit_code(proof, complete=True, strict=True) != 0


def test_the_stack_is_proven_and_strictly_it_is_not() -> None:
    found = STACK.with_policy().judged()

    assert (0, 1) == (exit_code(found, complete=True), exit_code(found, complete=True, strict=True))
    assert 3 == exit_code(found, complete=False)


def test_a_stack_that_tolerates_nothing_is_proven_strictly() -> None:
    deployment = STACK.with_policy({"allow": ["* -> *", "outside -> *", "* -> outside, host"]})

    assert 0 == exit_code(deployment.judged(), complete=True, strict=True)
