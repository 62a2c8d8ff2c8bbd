"""Messages between a command and its agent are decoded as they were encoded."""

from __future__ import annotations

import msgspec
import pytest

from cloison.errors import (
    CloisonError,
    FileError,
    NotProven,
    PolicyError,
    PublishError,
    UnknownServiceError,
    UsageError,
)
from cloison.remote import protocol as remote_protocol
from cloison.remote.protocol import (
    AgentMessage,
    AgentRequest,
    ComposeUpRequest,
    ComposeUpResult,
    ErrorResponse,
    Progress,
    ProofResponse,
)

REQUESTS = [AgentRequest({"name": "shop"}, 0.5, is_rehearsal=True), ComposeUpResult(1, "made", "two\nlines")]
MESSAGES: list[AgentMessage] = [
    Progress(),
    Progress("probing"),
    ComposeUpRequest("x", {"services": {}}),
    ErrorResponse("NotProven", "é\n"),
]


@pytest.mark.parametrize("message", REQUESTS)
def test_a_request_is_one_line(message: AgentRequest | ComposeUpResult) -> None:
    line = remote_protocol.encode(message)

    assert (1, message) == (line.count(b"\n"), remote_protocol.decode_request(line))


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_agent_is_one_line(message: AgentMessage) -> None:
    line = remote_protocol.encode(message)

    assert (1, message) == (line.count(b"\n"), remote_protocol.decode_message(line))


def test_a_proof_keeps_its_bytes() -> None:
    document = b'{"b":1.50,"a":"\xc3\xa9"}'

    message = remote_protocol.decode_message(remote_protocol.encode(ProofResponse(msgspec.Raw(document))))

    assert isinstance(message, ProofResponse)
    assert document == bytes(message.proof)


@pytest.mark.parametrize("kind", [FileError, NotProven, PolicyError, PublishError, UsageError])
def test_an_error_keeps_its_class_and_sentence(kind: type[CloisonError]) -> None:
    raised = remote_protocol.to_exception(remote_protocol.error_response(kind("what, where, what to do")))

    assert (kind, "what, where, what to do") == (type(raised), str(raised))


def test_an_error_of_a_special_class_arrives_as_its_base() -> None:
    error = UnknownServiceError("x-cloison.allow[0]: there is no service web", "web", "x-cloison.allow[0]")

    raised = remote_protocol.to_exception(remote_protocol.error_response(error))

    assert (PolicyError, str(error)) == (type(raised), str(raised))


def test_an_unknown_error_class_becomes_not_proven() -> None:
    assert NotProven is type(remote_protocol.to_exception(ErrorResponse("SystemExit", "x")))


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"no json", b'{"type":"Progress","sentence":1}', b'{"type":"AgentRequest"}']
)
def test_an_invalid_line_is_a_decode_error(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        remote_protocol.decode_message(line)


def test_environment_secrets_and_configs_are_redacted() -> None:
    document = {
        "name": "shop",
        "services": {"db": {"environment": {"PASSWORD": "x"}, "networks": {"back": None}}},
        "secrets": {"key": {"content": "x"}},
        "configs": {"made": {"content": "x"}},
        "x-cloison": {"allow": []},
    }

    kept = {"name": "shop", "services": {"db": {"networks": {"back": None}}}, "x-cloison": {"allow": []}}
    assert kept == remote_protocol.redact(document)
    assert {"services": {}} == remote_protocol.redact({"services": None})
