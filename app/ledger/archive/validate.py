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

from cloison_view.connections import Door, doors

FORM: Final = jsonschema_rs.validator_for(
    msgspec.json.decode((Path(__file__).parent / "proof.schema.json").read_bytes())
)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
SHOWN: Final = 300  # characters of somebody else's sentence


class Refused(Exception):  # noqa: N818 - it says what happened to the document
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
        return _time(self.proof["started"])

    @cached_property
    def doors(self) -> tuple[Door, ...]:
        """The doors it speaks of."""
        return doors(self.proof)

    @cached_property
    def state(self) -> bytes:
        """What makes it a repeat of another: the same word, the same doors in the same state."""
        said = msgspec.json.encode([self.proof["verdict"]["word"], [[*door.key, *door.state] for door in self.doors]])
        return hashlib.sha256(said).digest()


def read(body: bytes) -> Document:
    """Check what was sent; Refused with a sentence when it is no proof."""
    try:
        proof = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"This is not JSON: {str(error)[:SHOWN]}.") from error
    _check_form(proof)
    if msgspec.json.encode(proof, order="sorted") != body:
        raise Refused(
            "The bytes are not the canonical form of RFC 8785 (members sorted and once, no space, no newline at the"
            " end): send the file as cloison wrote it."
        )
    _check_sense(proof)
    document = Document(body, proof)
    if not document.doors:
        raise Refused("flows: nothing was asked, so there is nothing to keep.")
    return document


def stored(body: bytes) -> Document:
    """Return a document that was checked when it was kept."""
    return Document(body, msgspec.json.decode(body))


def _check_form(proof: Any) -> None:
    try:
        FORM.validate(proof)
    except jsonschema_rs.ValidationError as error:
        where = "/".join(str(step) for step in error.instance_path) or "the document"
        raise Refused(f"{where}: {error.message[:SHOWN]}.") from error
    except ValueError as error:  # what JSON can write and no reader of it has to hold
        raise Refused(f"the document: {str(error)[:SHOWN]}.") from error


def _check_sense(proof: dict[str, Any]) -> None:
    """Refuse what has the form of a proof and contradicts itself."""
    _time(proof["started"])
    vantages, endpoints = len(proof["vantages"]), len(proof["endpoints"])
    for position, flow in enumerate(proof["flows"]):
        if flow["vantage"] >= vantages or flow["endpoint"] >= endpoints:
            raise Refused(f"flows/{position}: points to a vantage or an endpoint that the document does not have.")
    counted = Counter(flow["judgement"] for flow in proof["flows"])
    counted["drift"] = sum(flow["drift"] for flow in proof["flows"])
    said = {word: number for word, number in proof["totals"].items() if number}
    if said != {word: number for word, number in counted.items() if number}:
        raise Refused("totals: do not count what the flows say.")


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 - one sentence for both
        time = time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(f"started: {text[:40]!r} is no time of RFC 3339 in UTC.") from error
    if not datetime(1000, 1, 1, tzinfo=UTC) <= time < LATEST:
        raise Refused(f"started: {text[:40]!r} is a time that no database holds.")
    return time.replace(tzinfo=None, microsecond=time.microsecond // 1000 * 1000)
