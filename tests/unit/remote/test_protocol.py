"""What a command and its scout say to each other arrives as it was said."""

from __future__ import annotations

import msgspec
import pytest

from cloison.errors import CloisonError, FileError, NotProven, PolicyError, PublishError, UsageError
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

ASKED = [AgentRequest({"name": "shop"}, 0.5, is_rehearsal=True), ComposeUpResult(1, "made", "two\nlines")]
ANSWERED: list[AgentMessage] = [
    Progress(),
    Progress("probing"),
    ComposeUpRequest("x", {"services": {}}),
    ErrorResponse("NotProven", "é\n"),
]


@pytest.mark.parametrize("said", ASKED)
def test_what_is_asked_is_one_line(said: AgentRequest | ComposeUpResult) -> None:
    line = remote_protocol.encode(said)

    assert (1, said) == (line.count(b"\n"), remote_protocol.decode_request(line))


@pytest.mark.parametrize("said", ANSWERED)
def test_what_is_answered_is_one_line(said: AgentMessage) -> None:
    line = remote_protocol.encode(said)

    assert (1, said) == (line.count(b"\n"), remote_protocol.decode_message(line))


def test_a_proof_keeps_its_bytes() -> None:
    document = b'{"b":1.50,"a":"\xc3\xa9"}'

    said = remote_protocol.decode_message(remote_protocol.encode(ProofResponse(msgspec.Raw(document))))

    assert isinstance(said, ProofResponse)
    assert document == bytes(said.proof)


@pytest.mark.parametrize("kind", [FileError, NotProven, PolicyError, PublishError, UsageError])
def test_an_error_crosses_the_line_as_itself(kind: type[CloisonError]) -> None:
    told = remote_protocol.to_exception(remote_protocol.error_response(kind("what, where, what to do")))

    assert (kind, "what, where, what to do") == (type(told), str(told))


def test_an_error_that_nobody_knows_proves_nothing() -> None:
    assert NotProven is type(remote_protocol.to_exception(ErrorResponse("SystemExit", "x")))


@pytest.mark.parametrize("line", [b"", b"{}", b"no json", b'{"type":"Talk","sentence":1}', b'{"type":"AgentRequest"}'])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        remote_protocol.decode_message(line)


def test_passwords_stay_at_home() -> None:
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
