"""Reads the proofs and plans that a verb is given: from a file, from stdin, or from a ledger.

Input: a name on the command line. Output: a checked document.
Rule: a document whose bytes are not canonical or whose verdict does not follow from its flows is refused.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloison.errors import UsageError

if TYPE_CHECKING:
    from cloison.plan.schema import Plan
    from cloison.proof.schema import Proof

STDIN: Final = "-"
IN_A_LEDGER: Final = ("http://", "https://")
KINDS: Final = {"proof": "cloison prove --format json", "plan": "cloison plan --format json"}
"""What makes a document of each kind."""


def proof(name: str) -> Proof:
    """Return the proof in a file, or on stdin for `-`.

    Raises UsageError when it is not a proof, see `proof.schema.parse`, or not in canonical form (RFC 8785): the SHA-256
    of its bytes would not be the proof's digest.
    """
    from cloison.proof.schema import parse

    content = _read(name, "proof")
    with _refusal(name, "proof"):
        return parse(content)


def document(name: str, token_file: Path | None = None, ca_file: Path | None = None) -> Proof | Plan:
    """Return the proof or the plan in a file, on stdin for `-`, or at its address in a ledger.

    Raises UsageError when it is neither, NotProven when the ledger does not answer.
    """
    from cloison.plan import schema as plan_schema
    from cloison.proof import schema as proof_schema

    if name.startswith(IN_A_LEDGER):
        from cloison.ledger_client.fetch import fetch_proof

        # Both documents may be in a ledger, so the token stays in the environment.
        content = fetch_proof(name, token_file, dict(os.environ), ca_file)
    else:
        content = _read(name, "document")
    with _refusal(name, "proof or a plan"):
        is_plan = plan_schema.is_plan(content)
    with _refusal(name, "plan" if is_plan else "proof"):
        return plan_schema.parse(content) if is_plan else proof_schema.parse(content)


def kind(found: Proof | Plan) -> str:
    """Return what a document is called."""
    return "plan" if hasattr(found, "assumed") else "proof"


class _refusal:  # noqa: N801  # a context manager, named by what it turns errors into
    """Turns an error of a document into one sentence."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = ("stdin" if name == STDIN else name), kind

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        import msgspec

        from cloison.proof.schema import NotCanonicalError

        if isinstance(error, NotCanonicalError):
            raise UsageError(
                f"{self.name} is a {self.kind}, but not in canonical form, so its checksum is not the {self.kind}'s "
                "digest. If it was only indented, jq --sort-keys --compact-output --join-output . restores it"
            ) from error
        if isinstance(error, (msgspec.DecodeError, UnicodeError, RecursionError)):
            command = KINDS.get(self.kind, " or ".join(KINDS.values()))
            raise UsageError(f"{self.name} is not a {self.kind}: {error}. Make one with {command}") from error


def _read(name: str, what: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: the {what} could not be read: {error.strerror}") from error
