"""The part of SARIF 2.1.0 that the report uses, as JSON Schema: the members, which are required, and their values.

Source: sections 3.13 to 3.58 of https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html.
Rule: no member is allowed that is not listed here, so a misspelt one is an error.
"""

from __future__ import annotations

from typing import Any, Final

TEXT: Final = {"type": "string", "minLength": 1}
COUNT: Final = {"type": "integer", "minimum": 1}
LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}


def closed(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """Return the schema of an object that has these members and no others."""
    properties = {**required, **optional}
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items, **more}


MESSAGE: Final = closed({"text": TEXT})
PHYSICAL: Final = closed(
    {
        "artifactLocation": closed({"uri": {"type": "string", "format": "uri-reference", "pattern": r"^[^\s\\]+$"}}),
        "region": closed({"startLine": COUNT, "startColumn": COUNT}),
    }
)
LOCATION: Final = closed(
    {"logicalLocations": array(closed({"fullyQualifiedName": TEXT}), minItems=1)}, physicalLocation=PHYSICAL
)
RULE: Final = closed(
    {
        "id": TEXT,
        "name": TEXT,
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": closed({"text": TEXT, "markdown": TEXT}),
        "defaultConfiguration": closed({"level": LEVEL}),
        "properties": {"type": "object"},
    },
    helpUri={"type": "string", "format": "uri", "pattern": "^https://"},
)
SUPPRESSION: Final = closed(
    {
        "kind": {"enum": ["inSource", "external"]},
        "status": {"enum": ["accepted", "underReview", "rejected"]},
        "justification": TEXT,
    }
)
RESULT: Final = closed(
    {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": array(LOCATION, minItems=1),
        "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
        "suppressions": array(SUPPRESSION),
    }
)
INVOCATION: Final = closed(
    {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"type": "integer"},
        "exitCodeDescription": TEXT,
        "toolExecutionNotifications": array(closed({"level": LEVEL, "message": MESSAGE})),
    }
)
DRIVER: Final = closed({"name": TEXT, "version": TEXT, "rules": array(RULE, uniqueItems=True)})
RUN: Final = closed(
    {
        "tool": closed({"driver": DRIVER}),
        "automationDetails": closed({"id": TEXT}),
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "invocations": array(INVOCATION, minItems=1),
        "results": array(RESULT),
        "properties": {"type": "object"},
    }
)
SCHEMA: Final = closed({"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": array(RUN, minItems=1, maxItems=1)})
"""A SARIF log as the report writes it."""
