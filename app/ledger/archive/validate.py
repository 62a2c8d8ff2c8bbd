"""From the bytes that somebody sent to a proof that may be kept.

Rule: what is kept is exactly a proof of the published form. The bytes must be canonical, or the digest would name
another document than the one that reads alike: what comes back from reading and writing them is what came.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec

from cloison_view.connections import ProofConnection, connections

PROOF_SCHEMA: Final = jsonschema_rs.validator_for(
    msgspec.json.decode((Path(__file__).parent / "proof.schema.json").read_bytes())
)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
MAX_MESSAGE: Final = 300  # characters of somebody else's sentence


class InvalidProofError(Exception):
    """The bytes are no proof; the sentence says what is wrong with them, and where."""


@dataclass(frozen=True)
class Document:
    """A proof that has been checked, as its bytes and as what they say."""

    body: bytes
    proof: dict[str, Any]

    @cached_property
    def digest(self) -> bytes:
        """The proof's name: 32 bytes."""
        return hashlib.sha256(self.body).digest()

    @cached_property
    def started(self) -> datetime:
        """When the proof began; UTC, milliseconds, without a zone, as the database keeps times."""
        return _parse_time(self.proof["started"])

    @cached_property
    def connections(self) -> tuple[ProofConnection, ...]:
        """The connections it speaks of."""
        return connections(self.proof)

    @cached_property
    def state(self) -> bytes:
        """What makes it a repeat of another: the same word, the same connections in the same state."""
        said = msgspec.json.encode(
            [self.proof["verdict"]["word"], [[*connection.key, *connection.state] for connection in self.connections]]
        )
        return hashlib.sha256(said).digest()


def read(body: bytes) -> Document:
    """Check what was sent; InvalidProofError with a sentence when it is no proof."""
    try:
        proof = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidProofError(f"This is not JSON: {str(error)[:MAX_MESSAGE]}.") from error
    _check_schema(proof)
    if msgspec.json.encode(proof, order="sorted") != body:
        raise InvalidProofError(
            "The bytes are not the canonical form of RFC 8785 (members sorted and once, no space, no newline at the"
            " end): send the file as cloison wrote it."
        )
    _check_consistency(proof)
    document = Document(body, proof)
    if not document.connections:
        raise InvalidProofError("flows: nothing was asked, so there is nothing to keep.")
    return document


def trusted_document(body: bytes) -> Document:
    """Return a document that was checked when it was kept."""
    return Document(body, msgspec.json.decode(body))


def _check_schema(proof: Any) -> None:
    try:
        PROOF_SCHEMA.validate(proof)
    except jsonschema_rs.ValidationError as error:
        where = "/".join(str(step) for step in error.instance_path) or "the document"
        raise InvalidProofError(f"{where}: {error.message[:MAX_MESSAGE]}.") from error
    except ValueError as error:  # what JSON can write and no reader of it has to hold
        raise InvalidProofError(f"the document: {str(error)[:MAX_MESSAGE]}.") from error


def _check_consistency(proof: dict[str, Any]) -> None:
    """Refuse what has the form of a proof and contradicts itself."""
    _parse_time(proof["started"])
    vantages, endpoints = len(proof["vantages"]), len(proof["endpoints"])
    for position, flow in enumerate(proof["flows"]):
        if flow["vantage"] >= vantages or flow["endpoint"] >= endpoints:
            raise InvalidProofError(
                f"flows/{position}: points to a vantage or an endpoint that the document does not have."
            )
    counted = Counter(flow["judgement"] for flow in proof["flows"])
    counted["drift"] = sum(flow["drift"] for flow in proof["flows"])
    said = {word: number for word, number in proof["totals"].items() if number}
    if said != {word: number for word, number in counted.items() if number}:
        raise InvalidProofError("totals: do not count what the flows say.")


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 - one sentence for both
        time = time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidProofError(f"started: {text[:40]!r} is no time of RFC 3339 in UTC.") from error
    if not datetime(1000, 1, 1, tzinfo=UTC) <= time < LATEST:
        raise InvalidProofError(f"started: {text[:40]!r} is a time that no database holds.")
    return time.replace(tzinfo=None, microsecond=time.microsecond // 1000 * 1000)
