"""The JSON Schema of a Compose file with a policy: the Compose specification's, with `x-cloison` added.

Output: a schema as a value that JSON can hold, for editors and for other tools.
Rules:
  - The keys are those that `compose.policy` accepts, and each has its description; one without is an error here.
  - A schema knows no names of a project. It refuses nothing that `compose.policy` accepts.
Source: https://json-schema.org/draft-07, https://github.com/compose-spec/compose-spec/tree/main/schema
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cloison.compose.policy import POLICY_KEYS, TOLERABLE, TOLERATION_KEYS
from cloison.compose.policy_key import POLICY_KEY
from cloison.model.flow import FOREIGN, SERVICE_PREFIX, TRANSPORT_PROTOCOLS

COMPOSE_SCHEMA: Final = "https://raw.githubusercontent.com/compose-spec/compose-spec/main/schema/compose-spec.json"
"""The published schema of the Compose specification."""
NAME: Final = rf"(?:{FOREIGN}[^,>]*|{SERVICE_PREFIX}[a-zA-Z0-9._-]+|[a-zA-Z0-9._-]+|\*)"
"""A service, a group, `host`, `outside`, `*`, or a foreign container."""
TARGET_NAME: Final = rf"(?:{FOREIGN}[^,:/>]*|{SERVICE_PREFIX}[a-zA-Z0-9._-]+|[a-zA-Z0-9._-]+|\*)"
NUMBER: Final = r"0*[1-9][0-9]{0,4}"
PORT: Final = rf"{NUMBER}(?:\s*-\s*{NUMBER})?"
PROTOCOL: Final = rf"(?:/(?:{'|'.join(TRANSPORT_PROTOCOLS)}))?"
TARGET: Final = rf"\s*{TARGET_NAME}\s*(?::\s*{PORT}{PROTOCOL}\s*)?"
MORE_PORTS: Final = rf"\s*{PORT}{PROTOCOL}\s*"
FLOW: Final = (
    rf"^\s*{NAME}(?:\s*,\s*{NAME})*\s*->{TARGET}(?:,(?:{TARGET}|{MORE_PORTS}))*(?:\svia\s+[a-zA-Z0-9._-]+\s*)?$"
)
"""The text of a flow: see `compose.flow_rule`."""
FLOW_EXAMPLES: Final = ("outside -> proxy:80", "web, api -> db:3306,33060", "* -> dns:53/udp", "app -> outside via vpn")
POLICY_TEXTS: Final[Mapping[str, str]] = {
    "allow": "The flows that the project needs. A flow that is allowed and closed is broken.",
    "enforce": "Whether `cloison up` and `cloison watch` enforce the policy without being asked.",
    "groups": "Names for several services.",
    "tolerate": "What is known to be open and accepted, each with its reason.",
}
TOLERATION_TEXTS: Final[Mapping[str, str]] = {
    "flow": "The tolerated flow: sources -> targets[:ports[/protocol]].",
    "network": "The key of a network of the file: everything that its members can do to each other over it.",
    "device": "The name of a device on a network of the project of which it is unknown what it reaches.",
    "why": "The reason of the toleration; reports show it.",
    "keep": "Whether enforcement leaves it open, too.",
}


def policy_schema() -> dict[str, Any]:
    """Return the schema of a Compose file with a policy.

    Raises KeyError for a key of the policy that has no description here.
    """
    flow = {"$ref": "#/definitions/flow"}
    flow_list = {"type": ["array", "null"], "items": flow}
    tolerations = {"type": ["array", "null"], "items": {"$ref": "#/definitions/toleration"}}
    members = {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}}
    groups = {
        "type": ["object", "null"],
        "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$", "not": {"enum": ["host", "outside"]}},
        "additionalProperties": members,
    }
    types: dict[str, dict[str, Any]] = {
        "allow": flow_list,
        "enforce": {"type": "boolean"},
        "groups": groups,
        "tolerate": tolerations,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A Compose file with a policy of Cloison",
        "allOf": [{"$ref": COMPOSE_SCHEMA}],
        "properties": {POLICY_KEY: {"$ref": "#/definitions/policy"}},
        "definitions": {
            "policy": {
                "description": "Which connections the project needs, and which others are accepted.",
                "type": "object",
                "additionalProperties": False,
                "properties": {key: {"description": POLICY_TEXTS[key], **types[key]} for key in sorted(POLICY_KEYS)},
            },
            "flow": {
                "description": "sources -> targets[:ports[/protocol]]",
                "type": "string",
                "pattern": FLOW,
                "examples": list(FLOW_EXAMPLES),
            },
            "toleration": _toleration(flow),
        },
    }


def _toleration(flow: Mapping[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "pattern": r"\S"}
    types: dict[str, Mapping[str, Any]] = {
        "flow": flow,
        "network": {"type": "string", "pattern": "^[a-zA-Z0-9._-]+$"},
        "device": {"type": "string", "pattern": r"^[^\s/]+$"},
        "why": text,
        "keep": {"type": "boolean"},
    }
    return {
        "description": "A flow, a network or a device that is accepted, with its reason.",
        "type": "object",
        "additionalProperties": False,
        "required": ["why"],
        "oneOf": [{"required": [key]} for key in sorted(TOLERABLE)],
        "dependencies": {"device": {"not": {"required": ["keep"]}}},
        "properties": {key: {"description": TOLERATION_TEXTS[key], **types[key]} for key in sorted(TOLERATION_KEYS)},
    }
