"""Three matrices in, one judged matrix out.

Rule: `JUDGEMENT` decides, and what it does not list is unknown. A wall holds only when nothing
arrives; a door that is needed holds only when it answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloison.errors import BREACHED, PROVEN, UNPROVEN
from cloison.model.flow import Flow
from cloison.model.outcome import Observation, Outcome, Reach
from cloison.predict.context import Prediction
from cloison.verdict.intent import Intent, Intention


class Judgement(StrEnum):
    """The word for one flow."""

    HOLDS = "holds"
    TOLERATED = "tolerated"
    UNJUDGED = "unjudged"
    UNKNOWN = "unknown"
    BROKEN = "broken"
    BREACH = "breach"


class Cause(StrEnum):
    """Who opened what should be shut."""

    FILE = "file"
    DRIFT = "drift"


JUDGEMENT: Final[dict[tuple[Intent, Reach], Judgement]] = {
    (Intent.OPEN, Reach.OPEN): Judgement.HOLDS,
    (Intent.OPEN, Reach.SHUT): Judgement.BROKEN,
    (Intent.SHUT, Reach.SHUT): Judgement.HOLDS,
    (Intent.SHUT, Reach.OPEN): Judgement.BREACH,
    (Intent.TOLERATED, Reach.OPEN): Judgement.TOLERATED,
    (Intent.TOLERATED, Reach.SHUT): Judgement.HOLDS,
    (Intent.OPTIONAL, Reach.OPEN): Judgement.HOLDS,
    (Intent.OPTIONAL, Reach.SHUT): Judgement.HOLDS,
    (Intent.UNJUDGED, Reach.OPEN): Judgement.UNJUDGED,
    (Intent.UNJUDGED, Reach.SHUT): Judgement.UNJUDGED,
}

CAUSE: Final = {Reach.OPEN: Cause.FILE, Reach.SHUT: Cause.DRIFT}

EXIT_CODE: Final[dict[Judgement, int]] = {
    Judgement.HOLDS: PROVEN,
    Judgement.TOLERATED: PROVEN,
    Judgement.UNJUDGED: PROVEN,
    Judgement.BREACH: BREACHED,
    Judgement.BROKEN: BREACHED,
    Judgement.UNKNOWN: UNPROVEN,
}


@dataclass(frozen=True, slots=True)
class JudgedFlow:
    """One flow with all that is known and said about it."""

    flow: Flow
    intention: Intention
    prediction: Prediction
    observation: Observation
    judgement: Judgement
    cause: Cause | None
    drift: bool


def judge(intent: Intent, observation: Observation) -> Judgement:
    """Return the word for one flow."""
    if intent is Intent.OPEN and observation.outcome is Outcome.ARRIVED:
        return Judgement.BROKEN  # a packet that arrives and is not answered serves nobody
    return JUDGEMENT.get((intent, observation.reach), Judgement.UNKNOWN)


def compare(
    intended: Mapping[Flow, Intention],
    predicted: Mapping[Flow, Prediction],
    observed: Mapping[Flow, Observation],
) -> list[JudgedFlow]:
    """Judge every flow, in order.

    Raises KeyError when a flow is missing from one of the three: a proof with a hole is no proof.
    """
    known: dict[tuple[int, int, int], FlowVerdict] = {}  # most flows share their three answers with many others
    judged = []
    for flow in _in_order({**intended, **predicted, **observed}):
        answers = intended[flow], predicted[flow], observed[flow]
        key = (id(answers[0]), id(answers[1]), id(answers[2]))
        verdict = known.get(key) or known.setdefault(key, _verdict(*answers))
        judged.append(JudgedFlow(flow, *answers, *verdict))
    return judged


def _in_order(flows: Collection[Flow]) -> list[Flow]:
    """Sort flows by the places of their ends, of which there are few, rather than by their many fields."""
    vantages = {vantage: place for place, vantage in enumerate(sorted({flow.vantage for flow in flows}))}
    ends = {end: place for place, end in enumerate(sorted({flow.endpoint for flow in flows}))}
    return sorted(flows, key=lambda flow: (vantages[flow.vantage], ends[flow.endpoint]))


FlowVerdict = tuple[Judgement, Cause | None, bool]
"""The word for a flow, who opened it where it should be shut, and whether it is not as predicted."""


def _verdict(intention: Intention, prediction: Prediction, observation: Observation) -> FlowVerdict:
    judgement = judge(intention.intent, observation)
    known = Reach.UNKNOWN not in (prediction.reach, observation.reach)
    drift = known and prediction.reach is not observation.reach
    cause = CAUSE.get(prediction.reach) if judgement is Judgement.BREACH else None
    return judgement, cause, drift


def exit_code(judged: Sequence[JudgedFlow], *, complete: bool, strict: bool = False) -> int:
    """Return the exit code of a proof: 1 wins over 3, and nothing looked at is nothing proven."""
    words = {item.judgement for item in judged}
    codes = {EXIT_CODE[word] for word in words}
    if strict and Judgement.TOLERATED in words:
        codes.add(BREACHED)
    if not complete or not judged:
        codes.add(UNPROVEN)
    return BREACHED if BREACHED in codes else max(codes)
