"""The verdict of a document is derived, and a document that contradicts itself is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest
from tests.unit.plan.sample_plans import PLANS
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import canonical
from cloison_view.verdict import (
    COMPLETED,
    EXIT_CODES,
    Verdict,
    contradiction,
    derive_verdict,
    is_canonical_time,
    is_complete,
    judgement,
    verdict,
)

SAMPLES: Final = {**PROOFS, **{f"plan {name}": make for name, make in PLANS.items()}}


def document(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(canonical(SAMPLES[name]()))
    return made


@pytest.mark.parametrize("name", SAMPLES)
def test_every_document_states_the_verdict_that_follows_from_it(name: str) -> None:
    made: Any = SAMPLES[name]()
    as_json = document(name)

    assert Verdict(made.verdict.word, made.verdict.exit_code) == derive_verdict(made) == derive_verdict(as_json)
    assert "" == contradiction(made) == contradiction(as_json)


@pytest.mark.parametrize(
    ("words", "has_policy", "complete", "word"),
    [
        ({"holds", "tolerated", "unjudged"}, True, True, "proven"),
        ({"holds"}, False, True, "drawn"),
        ({"holds"}, True, False, "unproven"),
        ({"holds"}, False, False, "unproven"),
        (set(), True, True, "unproven"),
        ({"unknown", "holds"}, False, True, "unproven"),
        ({"unknown", "breach"}, True, False, "breached"),
        ({"broken"}, False, True, "breached"),
    ],
)
def test_the_verdict_of_some_judgements(words: set[str], has_policy: bool, complete: bool, word: str) -> None:
    assert (word, EXIT_CODES[word]) == verdict(words, has_policy=has_policy, is_complete=complete)


INTENTS: Final = ("open", "shut", "tolerated", "optional", "unjudged", "undecided")


@pytest.mark.parametrize(("intended", "observed"), [*product(INTENTS, ("open", "shut", "unknown"))])
def test_an_unknown_observation_is_never_more_than_unknown(intended: str, observed: str) -> None:
    is_unknown = observed == "unknown" or intended == "undecided"

    assert is_unknown is (judgement(intended, observed) == "unknown")


def test_a_needed_packet_that_only_arrives_is_broken() -> None:
    assert ("broken", "holds") == (judgement("open", "open", "arrived"), judgement("open", "open", "accepted"))


def test_only_a_completed_service_may_be_skipped() -> None:
    assert is_complete(1, [], [COMPLETED])
    assert not is_complete(1, [], [COMPLETED, "it could not be read"])
    assert not is_complete(1, ["db"], [])
    assert not is_complete(0, [], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.678Z", True),
        ("2026-01-02T03:04:05.678+00:00", False),
        ("2026-01-02T03:04:05.678000Z", False),
        ("2026-01-02T03:04:05Z", False),
        ("2026-01-02 03:04:05.678Z", False),
        ("2026-01-02T03:04:05.678z", False),
        ("2026-01-02T03:04:05.678", False),
        ("2026-01-02T05:04:05.678+02:00", False),
        ("20260102T030405.678Z", False),
        ("2026-02-30T03:04:05.678Z", False),
        ("2026-01-02T03:04:05.678Z\n", False),
        ("", False),
    ],
)
def test_a_time_has_one_spelling(text: str, expected: bool) -> None:
    assert expected is is_canonical_time(text)


def at(flows: list[dict[str, Any]], **members: str) -> dict[str, Any]:
    """Return the first flow with these members."""
    return next(flow for flow in flows if all(flow[name] == value for name, value in members.items()))


Change = Callable[[dict[str, Any]], object]
CONTRADICTIONS: Final[dict[str, tuple[str, Change, str]]] = {
    "a verdict that is better": (
        "breach",
        lambda d: d["verdict"].update(word="proven", exit_code=0),
        "verdict: it says proven (0), but flows, policy and coverage give breached (1)",
    ),
    "a verdict that is worse": (
        "holds",
        lambda d: d["verdict"].update(word="breached", exit_code=1),
        "verdict: it says breached (1), but flows, policy and coverage give proven (0)",
    ),
    "another exit code": (
        "breach",
        lambda d: d["verdict"].update(exit_code=0),
        "verdict: it says breached (0), but",
    ),
    "proven without a policy": (
        "holds",
        lambda d: d.update(policy=None),
        "verdict: it says proven (0), but flows, policy and coverage give drawn (0)",
    ),
    "a breach that is said to hold": (
        "breach",
        lambda d: at(d["flows"], judgement="breach").update(judgement="holds", cause=None),
        "intended shut and observed open is breach, but it says holds",
    ),
    "an unknown that is said to hold": (
        "unknown",
        lambda d: at(d["flows"], observed="unknown").update(judgement="holds"),
        "observed unknown is unknown, but it says holds",
    ),
    "tolerated by no policy": (
        "tolerated",
        lambda d: d.update(policy=None),
        "it is tolerated, but the document has no policy",
    ),
    "drift that is hidden": (
        "holds",
        lambda d: d["flows"][0].update(drift=not d["flows"][0]["drift"]),
        "flows/0: its cause or drift does not follow",
    ),
    "totals": ("breach", lambda d: d["totals"].update(breach=0), "totals: do not match the flows"),
    "fewer unknown flows": (
        "unknown",
        lambda d: d["coverage"].update(unknown=0),
        "coverage: flows and unknown do not match",
    ),
    "a gap that is hidden": (
        "holds",
        lambda d: d["coverage"]["skipped"].append({"what": "port 9 of db", "why": "SCTP is not probed"}),
        "coverage: complete, although something is absent or was skipped",
    ),
    "a plan that is better": (
        "plan breached",
        lambda d: d["verdict"].update(word="sound", exit_code=0),
        "verdict: it says sound (0), but flows, policy and coverage give breached (1)",
    ),
}


@pytest.mark.parametrize(("name", "change", "sentence"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_document_that_contradicts_itself_is_named(name: str, change: Change, sentence: str) -> None:
    altered = document(name)
    change(altered)

    assert sentence in contradiction(altered)
