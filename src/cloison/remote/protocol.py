"""What is said between a command and the scout that looks in its stead, one message a line.

A scout is a short-lived container on the engine's machine that runs this same program with the
namespaces and capabilities that proving needs. The command hands it an errand and keeps the line
open; when the line ends, so does the scout.

    command                         scout
    AgentRequest  ───────────────────────▶
            ◀───────────────────────  Talk      now and then: what goes on, or only that it lives
            ◀───────────────────────  ComposeUpRequest   in a rehearsal: have Compose start this document
    Staged  ───────────────────────▶            how that ended
            ◀───────────────────────  Proven    the document, or
            ◀───────────────────────  Failed    the error, by its name and with its sentence

Rule: Compose works on the user's side alone; whatever enters a namespace works on the scout's.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cloison.errors import CloisonError, NotProven


class AgentRequest(msgspec.Struct, frozen=True, tag=True):
    """What is to be proven: a resolved document, running or to be rehearsed; `patience` in seconds."""

    document: dict[str, Any]
    timeout: float
    is_rehearsal: bool


class ComposeUpResult(msgspec.Struct, frozen=True, tag=True):
    """How Compose ended."""

    code: int
    out: str
    err: str


class Progress(msgspec.Struct, frozen=True, tag=True):
    """A sentence for the person who waits; an empty one is a sign of life."""

    sentence: str = ""


class ComposeUpRequest(msgspec.Struct, frozen=True, tag=True):
    """A document that Compose is to start as the project `name`."""

    name: str
    document: dict[str, Any]


class ProofResponse(msgspec.Struct, frozen=True, tag=True):
    """The proof document, as its canonical bytes."""

    proof: msgspec.Raw


class ErrorResponse(msgspec.Struct, frozen=True, tag=True):
    """An expected failure."""

    kind: str
    sentence: str


AgentMessage = Progress | ComposeUpRequest | ProofResponse | ErrorResponse
ERROR_TYPES: Final[dict[str, type[CloisonError]]] = {kind.__name__: kind for kind in CloisonError.__subclasses__()}
"""The errors that may cross the line."""
REDACTED_SECTIONS: Final = ("secrets", "configs")
"""Sections of a Compose file that a proof has no use for."""


def encode(message: msgspec.Struct) -> bytes:
    """Return a message as its line."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> AgentRequest | ComposeUpResult:
    """Read what a command says.

    Raises msgspec.DecodeError when it is neither.
    """
    message: AgentRequest | ComposeUpResult = msgspec.json.decode(line, type=AgentRequest | ComposeUpResult)
    return message


def decode_message(line: bytes) -> AgentMessage:
    """Read what a scout says.

    Raises msgspec.DecodeError when it is no answer.
    """
    message: AgentMessage = msgspec.json.decode(line, type=AgentMessage)
    return message


def error_response(error: CloisonError) -> ErrorResponse:
    """Return an error as it crosses the line."""
    return ErrorResponse(type(error).__name__, str(error))


def to_exception(message: ErrorResponse) -> CloisonError:
    """Return the error that a message tells of."""
    return ERROR_TYPES.get(message.kind, NotProven)(message.sentence)


def redact(document: dict[str, Any]) -> dict[str, Any]:
    """Return a resolved document without what it may hold of passwords."""
    services = {
        name: {key: value for key, value in body.items() if key != "environment"}
        for name, body in (document.get("services") or {}).items()
    }
    return {key: value for key, value in document.items() if key not in REDACTED_SECTIONS} | {"services": services}
