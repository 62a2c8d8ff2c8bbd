"""Prints the JSON Schema of the plan document: `python -m cloison.reports.plan_schema > docs/plan.schema.json`."""

from __future__ import annotations

import json
import sys

from cloison.plan import schema


def render() -> str:
    """Return the published schema, with its newline."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
