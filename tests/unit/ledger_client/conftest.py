"""A ledger to send to, and a row of proofs for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.unit.ledger_client import fake_ledger
from tests.unit.ledger_client.fake_ledger import TOKEN_VARIABLE

from cloison.ledger_client.config import Ledger
from cloison.ledger_client.delivery import ProofSender, SendLimits
from cloison.ledger_client.spool import QueuedProof, Spool, spool


@pytest.fixture
def server() -> Iterator[fake_ledger.Ledger]:
    with fake_ledger.running() as server:
        yield server


@dataclass
class Sender:
    """Sends to a ledger, impatiently, and remembers what it said."""

    ledger: Ledger
    spool: Spool
    said: list[str] = field(default_factory=list)
    limits: SendLimits = field(default_factory=lambda: SendLimits(seconds=2, lock_timeout=0.3))

    def enqueue(self, *documents: bytes) -> list[QueuedProof]:
        """Keep these proofs."""
        return [self.spool.enqueue(document) for document in documents]

    def send(self, *documents: bytes) -> bool:
        """Keep these proofs and send what waits, and return whether the last one arrived."""
        delivery = ProofSender(self.ledger, self.spool, self.said.append, self.limits)
        return delivery.send(self.enqueue(*documents)[-1])

    @property
    def queued(self) -> list[str]:
        """The digests of what waits, the first to be sent first."""
        return [one.digest for one in self.spool.queued()]


@pytest.fixture
def sender(server: fake_ledger.Ledger, tmp_path: Path) -> Sender:
    return Sender(
        Ledger(server.url, TOKEN_VARIABLE, "the token of a test"), spool(tmp_path / "spools", server.url, "shop")
    )
