"""A fixture: a fake ledger."""

from __future__ import annotations

from tests.unit.ledger_client.conftest import server

__all__ = ["server"]
