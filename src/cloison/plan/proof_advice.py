"""Advice about the flows of a proof that the file itself decides: the changes that a plan for the same engine tried.

Input: a `Project`, the version of the engine, and the judged flows of a proof. Output: `AdvicePart` values.
Rule: only flows whose state the file predicts have such advice; where the running project differs from its file,
`cloison_view.advice` reads the difference from the document.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloison.compose.project import Project
from cloison.errors import FileError, PolicyError
from cloison.model.outcome import Reach
from cloison.plan.advice import TRIED_FLOWS
from cloison.plan.advisor import connection_advice
from cloison.plan.scenario import Connection, connection
from cloison.plan.synthetic_facts import Assumptions
from cloison.predict.predictor import DEFAULT_ENGINE
from cloison.proof.schema import AdvicePart
from cloison.verdict.judge import Cause, JudgedFlow, Judgement


def proof_advice(project: Project, engine: str, version: str, judged: Sequence[JudgedFlow]) -> tuple[AdvicePart, ...]:
    """Return the advice about a proof; none for an engine that a plan does not predict."""
    is_planned = engine == DEFAULT_ENGINE and len(judged) <= TRIED_FLOWS
    if not is_planned or not any(map(_is_decided_by_file, judged)):
        return ()
    try:
        tried = connection_advice(project, Assumptions(version))
    except (FileError, PolicyError):
        return ()  # the running project has places that its file has not, and the policy names them
    return tuple(AdvicePart(sentence, found) for sentence, found in _by_sentence(tried, judged).items())


def _by_sentence(tried: dict[Connection, str], judged: Sequence[JudgedFlow]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for position, item in enumerate(judged):
        sentence = tried.get(connection(item.flow))
        if sentence and _is_decided_by_file(item):
            found.setdefault(sentence, []).append(position)
    return found


def _is_decided_by_file(item: JudgedFlow) -> bool:
    is_broken = item.judgement is Judgement.BROKEN and item.prediction.reach is Reach.SHUT
    return item.cause is Cause.FILE or is_broken
