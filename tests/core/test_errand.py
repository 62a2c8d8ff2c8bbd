"""What a command and its scout say to each other arrives as it was said."""

from __future__ import annotations

import msgspec
import pytest

from cloison import errand
from cloison.errand import Answer, Errand, Failed, Proven, Staged, Staging, Talk
from cloison.errors import CloisonError, FileError, NotProven, PolicyError, PublishError, UsageError

ASKED = [Errand({"name": "shop"}, 0.5, is_rehearsal=True), Staged(1, "made", "two\nlines")]
ANSWERED: list[Answer] = [Talk(), Talk("probing"), Staging("x", {"services": {}}), Failed("NotProven", "é\n")]


@pytest.mark.parametrize("said", ASKED)
def test_what_is_asked_is_one_line(said: Errand | Staged) -> None:
    line = errand.written(said)

    assert (1, said) == (line.count(b"\n"), errand.asked(line))


@pytest.mark.parametrize("said", ANSWERED)
def test_what_is_answered_is_one_line(said: Answer) -> None:
    line = errand.written(said)

    assert (1, said) == (line.count(b"\n"), errand.answered(line))


def test_a_proof_keeps_its_bytes() -> None:
    document = b'{"b":1.50,"a":"\xc3\xa9"}'

    said = errand.answered(errand.written(Proven(msgspec.Raw(document))))

    assert isinstance(said, Proven)
    assert document == bytes(said.proof)


@pytest.mark.parametrize("kind", [FileError, NotProven, PolicyError, PublishError, UsageError])
def test_an_error_crosses_the_line_as_itself(kind: type[CloisonError]) -> None:
    told = errand.raised(errand.failed(kind("what, where, what to do")))

    assert (kind, "what, where, what to do") == (type(told), str(told))


def test_an_error_that_nobody_knows_proves_nothing() -> None:
    assert NotProven is type(errand.raised(Failed("SystemExit", "x")))


@pytest.mark.parametrize("line", [b"", b"{}", b"no json", b'{"type":"Talk","sentence":1}', b'{"type":"Errand"}'])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        errand.answered(line)


def test_passwords_stay_at_home() -> None:
    document = {
        "name": "shop",
        "services": {"db": {"environment": {"PASSWORD": "x"}, "networks": {"back": None}}},
        "secrets": {"key": {"content": "x"}},
        "configs": {"made": {"content": "x"}},
        "x-cloison": {"allow": []},
    }

    kept = {"name": "shop", "services": {"db": {"networks": {"back": None}}}, "x-cloison": {"allow": []}}
    assert kept == errand.discreet(document)
    assert {"services": {}} == errand.discreet({"services": None})
