"""The quota of a token: proofs and changed connections of one day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.ledger.mariadb.accounts.conftest import QUICK, SampleLedger
from tests.ledger.sample_proofs import add_project, proof

from ledger import clock as ledger_clock
from ledger import create_app
from ledger.accounts.passwords import Passwords
from ledger.archive import store

if TYPE_CHECKING:
    from sqlalchemy import Engine

LATE = datetime(2026, 3, 1, 23, 59, 30)  # noqa: DTZ001 - as the database stores times


@pytest.fixture(params=["small", "large"])
def ledger(engine: Engine, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SampleLedger:
    """Return a ledger, half a minute before midnight, in which proofs are added as small ones or as large ones are."""
    if request.param == "large":
        monkeypatch.setattr(store, "LARGE_FLOWS", 0)
    monkeypatch.setattr(ledger_clock, "now", lambda: LATE)
    add_project(engine, "shop")
    return SampleLedger(create_app({"ENGINE": engine, "PASSWORDS": Passwords(QUICK)}), engine)


def limit(ledger: SampleLedger, **limits: int) -> None:
    ledger.app.config["SETTINGS"] = replace(ledger.app.config["SETTINGS"], **limits)


def send(ledger: SampleLedger, token: str, body: bytes) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return ledger.app.test_client().post("/api/v1/proofs", data=body, headers=headers, content_type="application/json")


def test_a_token_adds_so_many_proofs_a_day(ledger: SampleLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(ledger, proofs_per_day=2)
    token, other = (ledger.token("shop", name, may_write=True) for name in ("one", "two"))
    answers = [send(ledger, token, proof(minute, app="open")) for minute in (0, 1, 1, 2)]

    assert [201, 201, 200, 429] == [answer.status_code for answer in answers]
    assert "31" == answers[-1].headers["Retry-After"]
    assert "This token may add 2 proofs a day" in answers[-1].json["error"]["detail"]
    assert 201 == send(ledger, other, proof(2, app="open")).status_code
    monkeypatch.setattr(ledger_clock, "now", lambda: LATE + timedelta(seconds=31))
    assert 201 == send(ledger, token, proof(3, app="open")).status_code


def test_a_token_changes_so_many_connections_a_day(ledger: SampleLedger) -> None:
    limit(ledger, changes_per_day=3)
    token = ledger.token("shop", "one", may_write=True)
    states = ("open", "shut", "open", "shut", "shut")
    answers = [send(ledger, token, proof(minute, app=state)) for minute, state in enumerate(states)]

    assert [201, 201, 201, 429, 429] == [answer.status_code for answer in answers]
    assert "3 changed connections a day" in answers[-1].json["error"]["detail"]
    assert 201 == send(ledger, token, proof(9, app="open")).status_code  # it repeats the last one
    assert 4 == len(ledger.app.extensions["archive"].proofs("shop").records)


def test_the_first_proof_of_a_day_is_added_whatever_it_changes(ledger: SampleLedger) -> None:
    limit(ledger, changes_per_day=1)
    token = ledger.token("shop", "one", may_write=True)

    assert 201 == send(ledger, token, proof(0, app="open", proxy="open", job="open")).status_code
    assert 429 == send(ledger, token, proof(1, app="shut", proxy="open", job="open")).status_code
