"""The judgement of every flow, and the exit code of a proof.

Input: the intended, the predicted and the observed matrix. Output: a list of `JudgedFlow`.
Rule: the table of `cloison_view.verdict` decides, which every reader of a document applies too, and a pair that it does
not list is unknown. A flow that should be closed holds only when no packet arrives; a flow that is needed holds only
when the endpoint answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloison.errors import BREACHED
from cloison.model.flow import Flow
from cloison.model.outcome import Observation, Reach
from cloison.predict.context import Prediction
from cloison.verdict.intent import Intent, Intention
from cloison_view import verdict


class Judgement(StrEnum):
    """The judgement of one flow."""

    HOLDS = "holds"
    TOLERATED = "tolerated"
    UNJUDGED = "unjudged"
    UNKNOWN = "unknown"
    BROKEN = "broken"
    BREACH = "breach"


class Cause(StrEnum):
    """The cause of a breach: the Compose file itself, or something outside it."""

    FILE = "file"
    DRIFT = "drift"


JUDGEMENT: Final = {
    (Intent(intended), Reach(observed)): Judgement(word) for (intended, observed), word in verdict.JUDGEMENTS.items()
}

CAUSE: Final = {Reach(predicted): Cause(word) for predicted, word in verdict.CAUSES.items()}


@dataclass(frozen=True, slots=True)
class JudgedFlow:
    """One flow with its intention, prediction, observation and judgement."""

    flow: Flow
    intention: Intention
    prediction: Prediction
    observation: Observation
    judgement: Judgement
    cause: Cause | None
    drift: bool


def judge(intent: Intent, observation: Observation) -> Judgement:
    """Return the judgement of one flow."""
    return Judgement(verdict.judgement(intent, observation.reach, observation.outcome))


def compare(
    intended: Mapping[Flow, Intention],
    predicted: Mapping[Flow, Prediction],
    observed: Mapping[Flow, Observation],
) -> list[JudgedFlow]:
    """Judge every flow, in order.

    Raises KeyError when a flow is missing from one of the three matrices.
    """
    known: dict[tuple[int, int, int], FlowVerdict] = {}  # many flows share the same three answers
    judged = []
    has_equal_sizes = len(intended) == len(predicted) == len(observed)  # then a flow that is missing is in none of all
    for flow in _in_order(intended if has_equal_sizes else {**intended, **predicted, **observed}):
        answers = intended[flow], predicted[flow], observed[flow]
        key = (id(answers[0]), id(answers[1]), id(answers[2]))
        flow_verdict = known.get(key) or known.setdefault(key, _verdict(*answers))
        judged.append(JudgedFlow(flow, *answers, *flow_verdict))
    return judged


def _in_order(flows: Collection[Flow]) -> list[Flow]:
    """Sort flows by the ranks of their vantages and endpoints, which is faster than by their fields."""
    vantages = {vantage: place for place, vantage in enumerate(sorted({flow.vantage for flow in flows}))}
    ends = {end: place for place, end in enumerate(sorted({flow.endpoint for flow in flows}))}
    count = len(ends)  # one number a flow: a hundred thousand tuples take as much memory as the judgements
    return sorted(flows, key=lambda flow: vantages[flow.vantage] * count + ends[flow.endpoint])


FlowVerdict = tuple[Judgement, Cause | None, bool]
"""The judgement of a flow, the cause if it is a breach, and whether the observation differs from the prediction."""


def _verdict(intention: Intention, prediction: Prediction, observation: Observation) -> FlowVerdict:
    judgement = judge(intention.intent, observation)
    known = Reach.UNKNOWN not in (prediction.reach, observation.reach)
    drift = known and prediction.reach is not observation.reach
    cause = CAUSE.get(prediction.reach) if judgement is Judgement.BREACH else None
    return judgement, cause, drift


def exit_code(judged: Sequence[JudgedFlow], *, complete: bool, strict: bool = False) -> int:
    """Return the exit code of a proof: 1 wins over 3, and a proof without flows or with gaps is unproven."""
    words = {item.judgement for item in judged}
    if strict and Judgement.TOLERATED in words:
        return BREACHED
    return verdict.verdict(words, has_policy=True, is_complete=complete).exit_code
