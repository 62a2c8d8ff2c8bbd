"""Sends the queued proofs of a project in order, and reports the result in sentences.

Inputs: a ledger and a spool. Output: whether the latest proof was accepted.
Rules: a proof stays in the spool until the ledger acknowledges it. No proof holds up those behind it. One that the
ledger rejects as invalid is moved aside. One from the future waits in a folder of its own. After one at which the
ledger fails the latest is tried, and the others if that is accepted; after MAX_FAILURES such runs the one is moved
aside. Every other error would be the same for all proofs, and ends the attempt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cloison.ledger_client.config import Ledger
from cloison.ledger_client.http import TOTAL_TIMEOUT, DeliveryResult, DeliveryStatus, post_proof
from cloison.ledger_client.spool import QueuedProof, Spool
from cloison.ledger_client.token_expiry import expiry_notice

MAX_PROOFS: Final = 100
"""The most proofs that one run sends."""
TIME_BUDGET: Final = 60.0
"""Seconds after which a run starts to send no further proof."""
LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait for another process that is sending."""
MAX_FAILURES: Final = 5
"""Runs in which the ledger fails at a proof and accepts another one, until the proof is moved aside."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far ahead of its clock a ledger accepts a start."""
DIGEST_LENGTH: Final = 12
"""Characters of a digest that messages show."""
ERROR_MESSAGES: Final[Mapping[DeliveryStatus, str]] = {
    DeliveryStatus.RETRY: "{url} did not accept the proof: {why}",
    DeliveryStatus.FAILED: "{url} did not accept the proof: {why}",
    DeliveryStatus.FUTURE: "{url} did not accept the proof: {why}",
    DeliveryStatus.REJECTED: "{url} rejected the proof: {why}",
    DeliveryStatus.UNAUTHORIZED: "{url} rejected {token}: {why}. Create a new token",
    DeliveryStatus.NOT_A_LEDGER: "{url} does not look like a ledger: {why}",
}


Failed = list[tuple[QueuedProof, DeliveryResult]]
"""Proofs at which the ledger failed, with its answers."""


@dataclass(frozen=True, slots=True)
class SendLimits:
    """The most that one run sends, and the seconds that it waits."""

    max_proofs: int = MAX_PROOFS
    time_budget: float = TIME_BUDGET
    lock_timeout: float = LOCK_TIMEOUT
    seconds: float = TOTAL_TIMEOUT


@dataclass(frozen=True, slots=True)
class ProofSender:
    """A ledger, the spool of proofs for it, and the function that takes messages."""

    ledger: Ledger
    spool: Spool
    report: Callable[[str], None]
    limits: SendLimits = SendLimits()
    warnings: set[str] = field(default_factory=set)  # that were reported

    def send(self, latest: QueuedProof) -> bool:
        """Send the queued proofs and return whether the ledger has the latest.

        Raises OSError when a queued proof cannot be read or removed.
        """
        with self.spool.locked("sending", self.limits.lock_timeout) as is_locked:
            if is_locked:
                return self._send_queued(latest)
        self.report(
            f"another cloison process has been sending for {self.limits.lock_timeout:.0f} s and is still sending; "
            f"{self._describe_remaining()}"
        )
        return False

    def send_only(self, digest: str, body: bytes) -> bool:
        """Send a proof that is not in the spool, and return whether the ledger accepted it."""
        result = post_proof(self.ledger, digest, body, self.limits.seconds)
        is_accepted = result.status is DeliveryStatus.ACCEPTED
        self.report(
            f"Sent proof {digest[:DIGEST_LENGTH]} to {self.ledger.url}" if is_accepted else self._error_message(result)
        )
        self._warn_of_expiry(result)
        return is_accepted

    def _send_queued(self, latest: QueuedProof) -> bool:
        queue = self._ordered()
        if latest not in queue:  # the process that held the lock before found it in the spool
            return self._report_other_sender(latest)
        accepted, failed, stopped = self._send_in_order(queue, latest)
        if accepted:
            self._count_failures(failed)
        if stopped:
            self.report(f"{self._error_message(stopped)}; {self._describe_remaining()}")
        else:
            self._report_accepted(accepted, latest)
        return latest in accepted

    def _ordered(self) -> list[QueuedProof]:
        """Return the proofs to send: last those at which the ledger alone fails, and those from the future."""
        due = [proof for proof in self.spool.postponed() if _is_due(proof)]
        return [*sorted(self.spool.queued(), key=lambda proof: self.spool.failures(proof) > 0), *due]

    def _report_other_sender(self, latest: QueuedProof) -> bool:
        is_accepted = not (self.spool.is_rejected(latest) or self.spool.is_postponed(latest))
        self.report(
            f"another cloison process has {'sent' if is_accepted else 'moved aside'} "
            f"proof {latest.digest[:DIGEST_LENGTH]}"
        )
        return is_accepted

    def _send_in_order(
        self, queue: list[QueuedProof], latest: QueuedProof
    ) -> tuple[list[QueuedProof], Failed, DeliveryResult | None]:
        """Send proofs; return those that were accepted, those that failed, and the result that ended the attempt."""
        end, accepted, failed = time.monotonic() + self.limits.time_budget, list[QueuedProof](), Failed()
        remaining = deque(queue[: self.limits.max_proofs])
        while remaining and time.monotonic() < end:
            proof = remaining.popleft()
            result = self._send_one(proof)
            if result.status is DeliveryStatus.ACCEPTED:
                accepted.append(proof)
            elif result.status is DeliveryStatus.FAILED:
                failed.append((proof, result))
                if not accepted and latest not in remaining:  # the ledger fails at the latest one, too
                    return accepted, failed, result
                if not accepted:
                    remaining.remove(latest)
                    remaining.appendleft(latest)
            elif result.status not in {DeliveryStatus.REJECTED, DeliveryStatus.FUTURE}:
                return accepted, failed, result
        return accepted, failed, None

    def _send_one(self, proof: QueuedProof) -> DeliveryResult:
        """Send one proof, then remove it from the spool or move it aside as the ledger answers."""
        try:
            body = proof.body()
        except ValueError as error:
            result = DeliveryResult(DeliveryStatus.REJECTED, str(error))
        else:
            result = post_proof(self.ledger, proof.digest, body, self.limits.seconds)
        if result.status is DeliveryStatus.ACCEPTED:
            self.spool.remove(proof)
            self._warn_of_expiry(result)
        if result.status is DeliveryStatus.REJECTED:
            self._move_aside(proof, "rejected", result.why)
        if result.status is DeliveryStatus.FUTURE:
            path = self.spool.postpone(proof)
            self.report(
                f"{self.ledger.url} does not accept proof {proof.digest[:DIGEST_LENGTH]} yet: {result.why}; "
                f"it waits in {path} until its start has passed"
            )
        return result

    def _count_failures(self, failed: Failed) -> None:
        """Count the failures of a ledger that accepts others, and move aside what it fails at again and again."""
        for proof, result in failed:
            count = self.spool.record_failure(proof)
            if count >= MAX_FAILURES:
                self._move_aside(proof, f"failed {count} times at", result.why)
            else:
                self.report(
                    f"{self.ledger.url} did not accept proof {proof.digest[:DIGEST_LENGTH]}, but others: {result.why}; "
                    f"it stays in {self.spool.folder}"
                )

    def _move_aside(self, proof: QueuedProof, verb: str, why: str) -> None:
        path = self.spool.reject(proof, why)
        self.report(f"{self.ledger.url} {verb} proof {proof.digest[:DIGEST_LENGTH]}: {why}; it was moved to {path}")

    def _report_accepted(self, accepted: list[QueuedProof], latest: QueuedProof) -> None:
        if latest in accepted:
            others = f", and {_proofs(len(accepted) - 1)} from the spool" if len(accepted) > 1 else ""
            self.report(f"Sent proof {latest.digest[:DIGEST_LENGTH]} to {self.ledger.url}{others}")
        elif self.spool.queued():
            self.report(
                f"Sent {_proofs(len(accepted))} from the spool to {self.ledger.url}; {self._describe_remaining()}"
            )

    def _warn_of_expiry(self, result: DeliveryResult) -> None:
        """Report once that the token expires soon."""
        notice = expiry_notice(result.token_expires, datetime.now(UTC))
        if notice and notice not in self.warnings:
            self.warnings.add(notice)
            self.report(f"{self.ledger.token_source} {notice}. Create a new token")

    def _error_message(self, result: DeliveryResult) -> str:
        return ERROR_MESSAGES[result.status].format(url=self.ledger.url, token=self.ledger.token_source, why=result.why)

    def _describe_remaining(self) -> str:
        count = len(self.spool.queued())
        verb, them = ("remains", "it") if count == 1 else ("remain", "them")
        return f"{_proofs(count)} {verb} in {self.spool.folder}; the next proof of this project sends {them}"


def _proofs(count: int) -> str:
    return "1 proof" if count == 1 else f"{count} proofs"


def _is_due(proof: QueuedProof) -> bool:
    """Return whether the start of a proof has passed; a damaged one is due, to be moved aside."""
    try:
        return proof.started() <= datetime.now(UTC) + CLOCK_TOLERANCE
    except (ValueError, LookupError, TypeError):
        return True
