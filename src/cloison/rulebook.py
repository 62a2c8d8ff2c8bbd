"""Whose rules predict: each kind of engine has a table of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cloison import predict as by_docker
from cloison import predict_podman
from cloison.compose import Project
from cloison.model import Facts, Flow
from cloison.predict import Prediction, Rules

RULES: Final[Mapping[str, Rules]] = {"docker": by_docker.RULES, "podman": predict_podman.RULES}
"""By the engine's name, as its facts tell it."""


def predict(project: Project, facts: Facts, flows: Iterable[Flow]) -> dict[Flow, Prediction]:
    """Return the prediction of every flow by the rules of the engine that the facts are of."""
    return by_docker.predict(project, facts, flows, RULES[facts.engine.name])
