"""Sends what waits, in order, and says in sentences how it went.

Rules: what the ledger has not acknowledged stays. A proof that it will never take is set aside and holds up nobody;
every other trouble is the ledger's or the token's, the same for all, and ends the attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cloison.ledger_client.config import Ledger
from cloison.ledger_client.http import TOTAL_TIMEOUT, DeliveryResult, DeliveryStatus, post_proof
from cloison.ledger_client.spool import QueuedProof, Spool

MAX_PROOFS: Final = 100
"""Proofs sent by one run."""
TIME_BUDGET: Final = 60.0
"""Seconds after which no further proof is begun."""
LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait for another process that is sending."""
DIGEST_LENGTH: Final = 12
"""Signs of a digest that a person compares."""
ERROR_MESSAGES: Final[Mapping[DeliveryStatus, str]] = {
    DeliveryStatus.RETRY: "{url} has not got the proof: {why}",
    DeliveryStatus.REJECTED: "{url} will not have the proof: {why}",
    DeliveryStatus.UNAUTHORIZED: "{url} does not open to {token}: {why}; mend the token",
    DeliveryStatus.NOT_A_LEDGER: "{url} is no ledger as it seems: {why}",
}


@dataclass(frozen=True, slots=True)
class SendLimits:
    """How much one run sends, and how long it waits."""

    max_proofs: int = MAX_PROOFS
    time_budget: float = TIME_BUDGET
    lock_timeout: float = LOCK_TIMEOUT
    seconds: float = TOTAL_TIMEOUT


@dataclass(frozen=True, slots=True)
class ProofSender:
    """A ledger, the row of proofs for it, and who is told."""

    ledger: Ledger
    spool: Spool
    report: Callable[[str], None]
    limits: SendLimits = SendLimits()

    def send(self, latest: QueuedProof) -> bool:
        """Send what waits and return whether the ledger has the latest.

        Raises OSError when the disk does not let us read or remove what waits.
        """
        with self.spool.locked("sending", self.limits.lock_timeout) as is_locked:
            if is_locked:
                return self._send_queued(latest)
        self.report(
            f"another cloison has been sending for {self.limits.lock_timeout:.0f} s and goes on; "
            f"{self._describe_remaining()}"
        )
        return False

    def send_only(self, digest: str, body: bytes) -> bool:
        """Send a proof that no disk keeps, and return whether the ledger has it."""
        result = post_proof(self.ledger, digest, body, self.limits.seconds)
        is_accepted = result.status is DeliveryStatus.ACCEPTED
        self.report(
            f"{self.ledger.url} has the proof {digest[:DIGEST_LENGTH]}" if is_accepted else self._error_message(result)
        )
        return is_accepted

    def _send_queued(self, latest: QueuedProof) -> bool:
        queue = self.spool.queued()
        if latest not in queue:  # whoever had the lock before us found it in the row
            is_accepted = not self.spool.is_rejected(latest)
            self.report(
                f"another cloison {'sent' if is_accepted else 'set aside'} "
                f"the proof {latest.digest[:DIGEST_LENGTH]} meanwhile"
            )
            return is_accepted
        end, accepted = time.monotonic() + self.limits.time_budget, list[QueuedProof]()
        for proof in queue[: self.limits.max_proofs]:
            if time.monotonic() >= end:
                break
            result = self._send_one(proof)
            if result.status is DeliveryStatus.ACCEPTED:
                accepted.append(proof)
            elif result.status is not DeliveryStatus.REJECTED:
                self.report(f"{self._error_message(result)}; {self._describe_remaining()}")
                return False
        self._report_accepted(accepted, latest)
        return latest in accepted

    def _send_one(self, proof: QueuedProof) -> DeliveryResult:
        """Send one proof and have the disk follow what the ledger says."""
        try:
            body = proof.body()
        except ValueError as error:
            result = DeliveryResult(DeliveryStatus.REJECTED, str(error))
        else:
            result = post_proof(self.ledger, proof.digest, body, self.limits.seconds)
        if result.status is DeliveryStatus.ACCEPTED:
            self.spool.remove(proof)
        if result.status is DeliveryStatus.REJECTED:
            path = self.spool.reject(proof, result.why)
            self.report(
                f"{self.ledger.url} will not have the proof {proof.digest[:DIGEST_LENGTH]}: {result.why}; "
                f"it is now {path}"
            )
        return result

    def _report_accepted(self, accepted: list[QueuedProof], latest: QueuedProof) -> None:
        if latest in accepted:
            others = f", and {_proofs(len(accepted) - 1)} that waited" if len(accepted) > 1 else ""
            self.report(f"{self.ledger.url} has the proof {latest.digest[:DIGEST_LENGTH]}{others}")
        elif self.spool.queued():
            self.report(f"{self.ledger.url} has {_proofs(len(accepted))} that waited; {self._describe_remaining()}")

    def _error_message(self, result: DeliveryResult) -> str:
        return ERROR_MESSAGES[result.status].format(url=self.ledger.url, token=self.ledger.token_source, why=result.why)

    def _describe_remaining(self) -> str:
        count = len(self.spool.queued())
        verbs = ("waits", "goes") if count == 1 else ("wait", "go")
        return f"{_proofs(count)} {verbs[0]} in {self.spool.folder} and {verbs[1]} with the next proof of this project"


def _proofs(count: int) -> str:
    return "1 proof" if count == 1 else f"{count} proofs"
