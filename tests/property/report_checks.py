"""What is true of the reports for programs and of a diff, whatever the document is."""

from __future__ import annotations

import json
from typing import Any, Final
from xml.etree import ElementTree as ET

import jsonschema
from tests.unit.reports.sarif_schema import SCHEMA

from cloison.compose.positions import Positions
from cloison.diff.compare import compare
from cloison.plan.schema import Plan
from cloison.proof.schema import Proof
from cloison.reports import diff_markdown, diff_terminal, junit, markdown, sarif
from cloison.reports.content import Content

VALIDATOR: Final[Any] = jsonschema.Draft202012Validator(SCHEMA)


def check_reports(document: Proof | Plan, *, strict: bool) -> None:
    """Fail if a report is not valid, is too long, passes where the command fails, or has other counts."""
    content = Content(document, strict=strict)
    log = json.loads(sarif.render(content, Positions()))
    VALIDATOR.validate(log)
    named = [
        result for result in log["runs"][0]["results"] if "/" not in result["ruleId"] or "breach/" in result["ruleId"]
    ]
    counts = content.summary.counts_of("breach", "broken", "unknown", "tolerated")
    assert len(named) == sum(counts.values())
    root = ET.fromstring(junit.render(content).encode())  # noqa: S314  # the report's own
    failures, errors = (int(root.get(name, "")) for name in ("failures", "errors"))
    assert {0: failures + errors == 0, 1: failures > 0, 3: failures == 0 and errors > 0}[content.exit_code]
    text = markdown.render(content)
    assert len(text.encode()) <= markdown.MAX_BYTES
    assert text.count("<details>") == text.count("</details>")


def check_difference(old: Proof | Plan, new: Proof | Plan) -> None:
    """Fail if a document differs from itself, or if what is worse has no line in a report."""
    assert not compare(new, new).changes
    diff = compare(old, new)
    assert ("Worse" in diff_terminal.render(diff, color=False, width=80)) == diff.worse
    assert len(diff_markdown.render(diff).encode()) <= markdown.MAX_BYTES
