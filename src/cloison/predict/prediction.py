"""What is predicted of one flow, and which rule says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloison.model.facts import Flow
from cloison.model.outcome import Reach
from cloison.predict.context import World


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is predicted of one flow, and the rule in words."""

    reach: Reach
    rule: str
    is_unwalled: bool = False
    """Whether it is open only because the engine builds no wall where the file draws one."""


def opened(rule: str) -> Prediction:
    """Predict open."""
    return Prediction(Reach.OPEN, rule)


def unwalled(rule: str) -> Prediction:
    """Predict open what the file means to be shut: the engine builds no wall there."""
    return Prediction(Reach.OPEN, rule, is_unwalled=True)


def shut(rule: str) -> Prediction:
    """Predict shut."""
    return Prediction(Reach.SHUT, rule)


def unknown(rule: str) -> Prediction:
    """Say what is missing for a prediction."""
    return Prediction(Reach.UNKNOWN, rule)


Rules = Sequence[Callable[[World, Flow], Prediction | None]]
"""Read from top to bottom, and the first that speaks decides."""
