"""Prints the JSON Schema of a document: `python -m cloison.reports.json_schema proof > docs/proof.schema.json`.

Input: the document's name, `proof`, `plan`, `diff` or `x-cloison`. Output: JSON Schema on standard output, of a
document 2020-12, of a Compose file draft 7, which is the draft of the Compose specification.
Rule: the schema is made from the types that encode the document, or the keys of the policy, so the two cannot differ.
Source: https://json-schema.org/draft/2020-12/schema
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.policy_schema import policy_schema
from cloison.diff import schema as diff_schema
from cloison.plan import schema as plan_schema
from cloison.proof import schema as proof_schema

SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "proof": proof_schema.schema,
    "plan": plan_schema.schema,
    "diff": diff_schema.schema,
    POLICY_KEY: policy_schema,
}


def render(document: str) -> str:
    """Return the published schema of a document, with its newline."""
    return json.dumps(SCHEMAS[document](), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render(sys.argv[1]))
