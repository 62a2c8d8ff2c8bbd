"""Delivery of a proof: it is saved before it is shown and sent afterwards, and the exit code is the verdict's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.ledger_client import fake_ledger
from tests.unit.ledger_client.fake_ledger import TOKEN_VARIABLE, status
from tests.unit.reports.sample_proofs import fully_allowed

from cloison.commands import ledger_delivery, options
from cloison.commands.ledger_delivery import LedgerClient
from cloison.commands.options import LedgerOptions
from cloison.errors import UsageError
from cloison.proof.schema import digest

Made = Callable[..., LedgerClient]


@pytest.fixture
def made(server: fake_ledger.Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("CLOISON_LEDGER_TOKEN", TOKEN_VARIABLE)

    def made(url: str = "", *, required: bool = False) -> LedgerClient:
        ledger_client = ledger_delivery.ledger_client(LedgerOptions(url or server.url, required=required))
        assert ledger_client
        return ledger_client

    return made


def test_without_a_ledger_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISON_LEDGER_TOKEN", TOKEN_VARIABLE)

    assert ledger_delivery.ledger_client(LedgerOptions()) is None
    with pytest.raises(UsageError, match="add --ledger URL"):
        ledger_delivery.ledger_client(LedgerOptions(required=True))


def test_a_proof_is_on_the_disk_before_it_is_sent(made: Made, server: fake_ledger.Ledger, tmp_path: Path) -> None:
    delivery = made().enqueue(fully_allowed())

    assert delivery.queued
    assert tmp_path in delivery.queued.path.parents
    assert [] == server.posted
    assert 0 == delivery.send(0)
    assert [digest(fully_allowed())] == server.stored


@pytest.mark.parametrize("required", [False, True])
def test_a_failed_delivery_changes_the_exit_code_only_if_required(
    required: bool,
    made: Made,
    server: fake_ledger.Ledger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.always = status(503)
    delivery = made(required=required).enqueue(fully_allowed())

    assert [3 if required else 0, 1, 3] == [delivery.send(code) for code in (0, 1, 3)]
    told = capsys.readouterr()
    assert "" == told.out
    assert told.err.startswith(f"cloison: {server.url} did not accept the proof: it answered 503")


def test_a_proof_that_arrives_changes_no_exit_code(made: Made) -> None:
    ledger_client = made(required=True)

    assert 1 == ledger_client.enqueue(fully_allowed()).send(1)
    assert 0 == ledger_client.enqueue(fully_allowed()).send(0)


def test_a_proof_that_cannot_be_saved_is_sent_at_once(
    made: Made, server: fake_ledger.Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cloison").write_text("a file where the folder would be")

    delivery = made(required=True).enqueue(fully_allowed())

    assert "the proof cannot be saved there" in capsys.readouterr().err
    assert 0 == delivery.send(0)
    assert [digest(fully_allowed())] == server.stored


def test_an_unreadable_spool_is_reported(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = made(required=True).enqueue(fully_allowed())
    assert delivery.queued
    delivery.queued.path.unlink()
    delivery.queued.path.mkdir()

    assert 3 == delivery.send(0)
    assert "the proofs in it cannot be sent: Is a directory" in capsys.readouterr().err


def test_an_interrupt_reports_where_the_proof_is(
    made: Made, server: fake_ledger.Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = made().enqueue(fully_allowed())

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(delivery.sender), "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        delivery.send(0)
    assert "stay in" in capsys.readouterr().err


def test_an_unencrypted_address_is_reported_before_any_work(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made("http://ledger.example")

    assert "http://ledger.example is not encrypted" in capsys.readouterr().err


def test_no_option_takes_a_token() -> None:
    @options.ledger_options
    def nothing(ledger_options: LedgerOptions) -> None: ...

    names = {name for option in nothing.__click_params__ for name in option.opts}  # type: ignore[attr-defined]
    assert {"--ledger", "--ledger-token-file", "--ledger-ca", "--ledger-required", "--as"} == names
