"""Validates the bytes of a proof before they are stored.

Input: bytes. Output: a `Document`, or InvalidProofError.
Rules:
  - A stored document conforms to the published JSON Schema.
  - It is in canonical form (RFC 8785), so that one document has one digest: decoding and encoding returns the same
    bytes, a number is an integer without fraction or exponent, and a time has one spelling.
  - Its verdict follows from its flows, policy and coverage: `cloison_view.verdict` derives it.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec

from cloison_view import project_events, verdict
from cloison_view.connections import ProofConnection, connections

PROOF_SCHEMA: Final = jsonschema_rs.validator_for(
    msgspec.json.decode((Path(__file__).parent / "proof.schema.json").read_bytes()),
    mask="The value",  # a message with a long value in it would not reach its point
)
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
MAX_MESSAGE: Final = 300  # characters of a library's message
NOT_CANONICAL: Final = (
    "The bytes are not the canonical form of RFC 8785 (members sorted and once, integers without fraction or exponent,"
    " no space, no newline at the end): send the file that cloison wrote."
)


class InvalidProofError(Exception):
    """The bytes are not a valid proof; the message says what is wrong, and where."""

    reason = "invalid"
    """The word for programs."""


class FutureProofError(InvalidProofError):
    """The proof started later than the ledger's clock says: one of the two clocks is wrong."""

    reason = "future"


class OtherProjectError(InvalidProofError):
    """The proof is one of another Compose project."""

    reason = "project"


@dataclass(frozen=True)
class Document:
    """A valid proof: its bytes and the decoded document."""

    body: bytes
    proof: dict[str, Any]

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of the bytes: 32 bytes."""
        return hashlib.sha256(self.body).digest()

    @cached_property
    def started(self) -> datetime:
        """The start of the proof: UTC without a zone, in milliseconds, as the database stores times."""
        return _parse_time(self.proof["started"])

    @cached_property
    def connections(self) -> tuple[ProofConnection, ...]:
        """The connections of the proof."""
        return connections(self.proof)

    @cached_property
    def problems(self) -> dict[bytes, ProofConnection]:
        """The connections that are wrong, by their hash in the notifications."""
        return project_events.problems(self.connections)

    @cached_property
    def state(self) -> bytes:
        """A digest of the verdict and the states of all connections; equal for a proof that repeats another."""
        content = msgspec.json.encode(
            [self.proof["verdict"]["word"], [[*connection.key, *connection.state] for connection in self.connections]]
        )
        return hashlib.sha256(content).digest()


def read(body: bytes) -> Document:
    """Return the valid proof with these bytes; InvalidProofError when they are none."""
    try:
        proof = DECODER.decode(body)
    except InvalidProofError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidProofError(f"This is not JSON: {str(error)[:MAX_MESSAGE]}.") from error
    _check_schema(proof)
    if msgspec.json.encode(proof, order="sorted") != body:
        raise InvalidProofError(NOT_CANONICAL)
    _check_consistency(proof)
    document = Document(body, proof)
    if not document.connections:
        raise InvalidProofError("flows: the proof has no flows.")
    return document


def check_start(document: Document, now: datetime) -> None:
    """Raise FutureProofError for a proof that started more than CLOCK_TOLERANCE after `now`."""
    if document.started > now + CLOCK_TOLERANCE:
        raise FutureProofError(
            f"started: {document.proof['started']} is ahead of the ledger's clock, which says"
            f" {now.isoformat(timespec='seconds')}Z: set the clock of the machine that made the proof."
        )


def trusted_document(body: bytes) -> Document:
    """Return a document that was validated when it was stored."""
    return Document(body, msgspec.json.decode(body))


def _refuse_float(text: str) -> Any:
    raise InvalidProofError(f"{NOT_CANONICAL} The number {text[:40]} is not an integer.")


DECODER: Final = msgspec.json.Decoder(float_hook=_refuse_float)


def _check_schema(proof: Any) -> None:
    try:
        PROOF_SCHEMA.validate(proof)
    except jsonschema_rs.ValidationError as error:
        where = "/".join(str(step) for step in error.instance_path) or "the document"
        if where == "started" and isinstance(proof["started"], str):
            raise InvalidProofError(_not_canonical_time(proof["started"])) from error
        raise InvalidProofError(f"{where}: {error.message[:MAX_MESSAGE]}.") from error
    except ValueError as error:  # a number that JSON allows and no decoder must support
        raise InvalidProofError(f"the document: {str(error)[:MAX_MESSAGE]}.") from error


def check_project(document: Document, project: str) -> None:
    """Raise OtherProjectError for a proof of another Compose project than the ledger's."""
    name = document.proof["project"]["name"]
    if name != project:
        raise OtherProjectError(
            f"project/name: this is a proof of the Compose project {name[:63]!r}, and the token is one of {project!r}."
            f" If that is meant, send it with --as {project}."
        )


def _not_canonical_time(text: str) -> str:
    return f"started: {text[:40]!r} is not written like 2026-01-02T03:04:05.678Z."


def _check_consistency(proof: dict[str, Any]) -> None:
    """Raise InvalidProofError for a document that matches the schema but contradicts itself."""
    if not verdict.is_canonical_time(proof["started"]):
        raise InvalidProofError(_not_canonical_time(proof["started"]))
    _parse_time(proof["started"])
    vantages, endpoints = len(proof["vantages"]), len(proof["endpoints"])
    for position, flow in enumerate(proof["flows"]):
        if flow["vantage"] >= vantages or flow["endpoint"] >= endpoints:
            raise InvalidProofError(
                f"flows/{position}: refers to a vantage or an endpoint that the document does not have."
            )
    if found := verdict.contradiction(proof):
        raise InvalidProofError(f"{found}. Send the file that cloison wrote.")


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 - one sentence for both
        time = time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidProofError(f"started: {text[:40]!r} is not a time of RFC 3339 in UTC.") from error
    if not datetime(1000, 1, 1, tzinfo=UTC) <= time < LATEST:
        raise InvalidProofError(f"started: {text[:40]!r} is a time outside the range of the database.")
    return time.replace(tzinfo=None, microsecond=time.microsecond // 1000 * 1000)
