"""A token that expires soon is told before the ledger refuses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.ledger_client.conftest import Sender
from tests.unit.ledger_client.fake_ledger import Ledger, _Handler, store

from cloison.ledger_client.token_expiry import expiry_notice

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "notice"),
    [
        ("2026-05-04T18:00:00Z", "expires on 2026-05-04 18:00 UTC, in less than a day"),
        ("2026-05-05T20:00:00+02:00", "expires on 2026-05-05 18:00 UTC, in 1 day"),
        ("2026-05-18T12:00:00Z", "expires on 2026-05-18 12:00 UTC, in 14 days"),
        ("2026-05-18T12:00:01Z", ""),
        ("", ""),
        ("soon", ""),
        ("2026-05-05T18:00:00", ""),  # no time zone
    ],
)
def test_only_an_end_within_two_weeks_is_told(header: str, notice: str) -> None:
    assert expiry_notice(header, NOW) == notice


def expiring(handler: _Handler, digest: str) -> None:
    """Store a proof, and say that its token expires in three days."""
    ends = f"{datetime.now(UTC) + timedelta(days=3, hours=1):%Y-%m-%dT%H:%M:%SZ}"
    handler.server.enqueue(digest)
    handler.report(201, {"digest": digest}, Cloison_Token_Expires=ends)


def test_the_sender_says_once_that_its_token_expires(server: Ledger, sender: Sender) -> None:
    server.always = expiring

    assert sender.send(b"1", b"2", b"3")
    told = [line for line in sender.said if "expires" in line]
    assert len(told) == 1
    assert told[0].startswith("the token of a test expires on ")
    assert told[0].endswith("in 3 days. Create a new token")


def test_a_token_without_an_end_is_not_mentioned(server: Ledger, sender: Sender) -> None:
    server.always = store

    assert sender.send(b"1")
    assert not any("expires" in line for line in sender.said)
