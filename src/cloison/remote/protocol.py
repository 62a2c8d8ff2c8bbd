"""The messages between a command and its agent: JSON objects, one a line, with their type in the member `type`.

An agent is a short-lived container on the engine's machine that runs this program with the namespaces and capabilities
that a proof needs. The command sends a request and keeps the connection open; the agent exits when stdin closes.

    command                                agent
    AgentRequest     ────────────────────▶                    the document to prove or to rehearse
                     ◀────────────────────  Progress          a step of the proof, or an empty heartbeat
                     ◀────────────────────  ComposeUpRequest  in a rehearsal: start this document with Compose
    ComposeUpResult  ────────────────────▶                    the exit code and the output of Compose
                     ◀────────────────────  ProofResponse     the proof document, or
                     ◀────────────────────  ErrorResponse     the class name of the error, and its sentence

Rule: Compose runs on the command's side only; namespaces are entered on the agent's side only.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cloison.errors import CloisonError, NotProven


class AgentRequest(msgspec.Struct, frozen=True, tag=True):
    """The request to prove a resolved document, or to rehearse it.

    `timeout` is seconds to wait for replies, `deadline` those for the whole proof (0: the default of its flows).
    """

    document: dict[str, Any]
    timeout: float
    is_rehearsal: bool
    deadline: float = 0


class ComposeUpResult(msgspec.Struct, frozen=True, tag=True):
    """The exit code and the output of Compose."""

    code: int
    out: str
    err: str


class Progress(msgspec.Struct, frozen=True, tag=True):
    """A progress message for the user; an empty one is a heartbeat."""

    sentence: str = ""


class ComposeUpRequest(msgspec.Struct, frozen=True, tag=True):
    """The request to start a document with Compose as the project `name`."""

    name: str
    document: dict[str, Any]


class ProofResponse(msgspec.Struct, frozen=True, tag=True):
    """The proof document, as its canonical bytes."""

    proof: msgspec.Raw


class ErrorResponse(msgspec.Struct, frozen=True, tag=True):
    """An expected error: the name of a CloisonError class, and its sentence."""

    kind: str
    sentence: str


AgentMessage = Progress | ComposeUpRequest | ProofResponse | ErrorResponse
ERROR_TYPES: Final[dict[str, type[CloisonError]]] = {kind.__name__: kind for kind in CloisonError.__subclasses__()}
"""The error classes by name."""
REDACTED_SECTIONS: Final = ("secrets", "configs")
"""Sections of a Compose file that a proof does not use."""


def encode(message: msgspec.Struct) -> bytes:
    """Return a message as JSON with a newline."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> AgentRequest | ComposeUpResult:
    """Decode a message of a command.

    Raises msgspec.DecodeError if it is neither an AgentRequest nor a ComposeUpResult.
    """
    message: AgentRequest | ComposeUpResult = msgspec.json.decode(line, type=AgentRequest | ComposeUpResult)
    return message


def decode_message(line: bytes) -> AgentMessage:
    """Decode a message of an agent.

    Raises msgspec.DecodeError if it is not an AgentMessage.
    """
    message: AgentMessage = msgspec.json.decode(line, type=AgentMessage)
    return message


def error_response(error: CloisonError) -> ErrorResponse:
    """Return the message for an error; of a class that is more special than those of ERROR_TYPES it has the base."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return ErrorResponse(next((kind for kind in kinds if kind in ERROR_TYPES), kinds[0]), str(error))


def to_exception(message: ErrorResponse) -> CloisonError:
    """Return the exception for an error message; NotProven for a class that this version does not know."""
    return ERROR_TYPES.get(message.kind, NotProven)(message.sentence)


def redact(document: dict[str, Any]) -> dict[str, Any]:
    """Return a resolved document without its environment variables, secrets and configs, which may hold passwords."""
    services = {
        name: {key: value for key, value in body.items() if key != "environment"}
        for name, body in (document.get("services") or {}).items()
    }
    return {key: value for key, value in document.items() if key not in REDACTED_SECTIONS} | {"services": services}
