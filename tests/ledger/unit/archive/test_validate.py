"""The ledger accepts canonical proofs whose verdict follows from their parts, and refuses the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ledger.sample_proofs import CLOSED_PORT, OPEN, body, document, proof
from tests.unit.reports.sample_proofs import PROOFS

from cloison.proof.schema import canonical
from ledger.archive.validate import InvalidProofError, read

STATES = {("app", "db", 3306): OPEN, ("proxy", "db", 3306): CLOSED_PORT}


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_that_the_command_wrote_is_accepted(name: str) -> None:
    written = canonical(PROOFS[name]())

    assert written == read(written).body


@pytest.mark.parametrize(("has_policy", "word"), [(True, "proven"), (False, "drawn")])
def test_a_proof_is_accepted_with_the_verdict_that_follows(has_policy: bool, word: str) -> None:
    found = read(body(document({("proxy", "db", 3306): CLOSED_PORT}, has_policy=has_policy)))

    assert word == found.proof["verdict"]["word"]


def changed(*path: str | int, value: Any) -> bytes:
    """Return the bytes of a breached proof with one value replaced."""
    made: Any = document(STATES)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return body(made)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (changed("verdict", value={"word": "proven", "exit_code": 0}), "verdict: it says proven (0), but flows"),
        (changed("verdict", value={"word": "drawn", "exit_code": 0}), "policy and coverage give breached (1)"),
        (changed("flows", 0, "judgement", value="holds"), "flows/0: intended shut and observed open is breach"),
        (changed("totals", "breach", value=0), "totals: do not match the flows"),
        (changed("coverage", "unknown", value=1), "coverage: flows and unknown do not match the flows"),
        (changed("started", value="2026-01-01T00:00:00Z"), "started: '2026-01-01T00:00:00Z' is not written like 2026-"),
        (changed("started", value="2026-01-01T00:00:00.000+00:00"), "is not written like 2026-"),
        (proof(app="open").replace(b'"duration_ms":900', b'"duration_ms":900.0'), "The number 900.0 is not an integer"),
        (proof(app="open").replace(b'"duration_ms":900', b'"duration_ms":9e2'), "The number 9e2 is not an integer"),
        (proof(app="open").replace(b'"duration_ms":900', b'"duration_ms":-0'), "not the canonical form"),
        (json.dumps(document(STATES), indent=1).encode(), "not the canonical form"),
    ],
)  # fmt: skip
def test_a_proof_that_is_not_canonical_or_contradicts_itself_is_refused(sent: bytes, sentence: str) -> None:
    with pytest.raises(InvalidProofError) as refused:
        read(sent)

    assert sentence in str(refused.value)
