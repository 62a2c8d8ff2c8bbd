"""The published schema of the diff document, and documents that conform to it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from tests.unit.diff.sample_diffs import base
from tests.unit.reports.sample_proofs import PROOFS

from cloison.diff.compare import compare
from cloison.proof.schema import canonical
from cloison.reports.json_schema import render

SCHEMA = Path(__file__).parents[3] / "docs" / "diff.schema.json"


def test_the_published_schema_is_the_codes() -> None:
    assert SCHEMA.read_text() == render("diff"), "python -m cloison.reports.json_schema diff > docs/diff.schema.json"


@pytest.mark.parametrize("scene", ["holds", "breach", "unknown", "no-policy", "ipv6"])
def test_a_diff_conforms_to_the_published_schema(scene: str) -> None:
    diff = compare(base(), PROOFS[scene]())

    jsonschema.validate(json.loads(canonical(diff)), json.loads(SCHEMA.read_text()))
