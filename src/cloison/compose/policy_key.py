"""The key of the policy in a Compose file, and the keys that are taken for it.

Input: a document, or the content of one file. Output: the positions of policies that would be ignored.
Rule: a policy that is ignored is an error, because its author takes the project for checked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cloison.errors import PolicyError

POLICY_KEY: Final = "x-cloison"
POLICY_KEY_SIMILARITY: Final = 0.85
"""The least similarity of a key that is taken for a wrong spelling: `x-cloisons`, `x-clioson`."""
SECTIONS: Final = ("services", "networks", "volumes")
"""The sections of a file in whose members a policy is misplaced."""
MISPLACED: Final = "the policy belongs at the top level of the file"


def without_policy(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without its policy, and without what `check_policy_key` refuses."""
    kept = {key: body for key, body in document.items() if not _is_policy_key(key)}
    for section in SECTIONS:
        if isinstance(bodies := document.get(section), Mapping):
            kept[section] = {
                name: {key: part for key, part in body.items() if key != POLICY_KEY}
                if isinstance(body, Mapping)
                else body
                for name, body in bodies.items()
            }
    return kept


def check_policy_key(document: Mapping[str, Any]) -> None:
    """Refuse a policy under a key that is nearly `x-cloison`, or inside a service or a network: it would be ignored."""
    for key in document:
        if key != POLICY_KEY and _is_policy_key(key):
            raise PolicyError(f'{key}: no such key; the policy is the value of "{POLICY_KEY}"')
    for place in misplaced_policies(document):
        raise PolicyError(f"{place}: {MISPLACED}")


def misplaced_policies(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the position of every policy inside a service, a network or a volume."""
    for section in SECTIONS:
        bodies = document.get(section)
        for name, body in bodies.items() if isinstance(bodies, Mapping) else ():
            if isinstance(body, Mapping) and POLICY_KEY in body:
                yield f"{section}.{name}.{POLICY_KEY}"


def _is_policy_key(key: str) -> bool:
    """Whether a key is `x-cloison`, or a wrong spelling of it."""
    return bool(difflib.get_close_matches(key.casefold(), [POLICY_KEY], cutoff=POLICY_KEY_SIMILARITY))
