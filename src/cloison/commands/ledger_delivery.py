"""Delivers the proof of a verb to the ledger that its options name; what it says goes to stderr.

Rule: the exit code is the verdict's. A ledger that is away changes it only where its user asked for that.
"""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloison.commands.options import LedgerOptions
from cloison.errors import PROVEN, UNPROVEN, UsageError
from cloison.ledger_client import spool
from cloison.ledger_client.config import Ledger, ledger
from cloison.proof.schema import Proof, canonical, digest

if TYPE_CHECKING:
    from cloison.ledger_client.delivery import ProofSender
    from cloison.ledger_client.spool import QueuedProof


@dataclass(frozen=True, slots=True)
class Delivery:
    """A proof on its way: `waiting` on disk, or nowhere but here."""

    delivery: ProofSender
    queued: QueuedProof | None
    proof: Proof
    is_required: bool

    def send(self, code: int) -> int:
        """Send what waits and return the command's exit code."""
        if self._was_accepted() or not self.is_required:
            return code
        return UNPROVEN if code == PROVEN else code

    def _was_accepted(self) -> bool:
        if not self.queued:
            return self.delivery.send_only(digest(self.proof), gzip.compress(canonical(self.proof)))
        folder = self.delivery.spool.folder
        try:
            return self.delivery.send(self.queued)
        except OSError as error:
            _print_message(f"{folder} cannot be sent: {_reason(error)}")
        except KeyboardInterrupt:
            _print_message(
                f"what the ledger has not got yet waits in {folder} and goes with the next proof of this project"
            )
            raise
        return False


@dataclass(frozen=True, slots=True)
class LedgerClient:
    """Takes proofs to a ledger."""

    ledger: Ledger
    spool_root: Path
    is_required: bool

    def enqueue(self, proof: Proof) -> Delivery:
        """Have the disk keep a proof, before anything else can go wrong."""
        from cloison.ledger_client import delivery  # with `requests`, which only who has a ledger pays for

        queue = spool.spool(self.spool_root, self.ledger.url, proof.project.name)
        queued = None
        try:
            queued = queue.enqueue(canonical(proof))
        except OSError as error:
            _print_message(f"the proof cannot be kept in {queue.folder} ({_reason(error)}), so it is sent now or never")
        return Delivery(delivery.ProofSender(self.ledger, queue, _print_message), queued, proof, self.is_required)


def ledger_client(ledger_options: LedgerOptions) -> LedgerClient | None:
    """Return who delivers, None without a ledger, before any work is done: it takes the token out of the environment.

    Raises UsageError when the address or the token cannot be one, or there is no folder to keep a proof in.
    """
    if not ledger_options.url:
        if ledger_options.required:
            raise UsageError("--ledger-required needs to know which: add --ledger URL, or set CLOISON_LEDGER")
        return None
    to = ledger(ledger_options.url, ledger_options.token_file, os.environ)
    if to.warning:
        _print_message(to.warning)
    return LedgerClient(to, spool.spool_root(os.environ), ledger_options.required)


def _print_message(sentence: str) -> None:
    click.echo(f"cloison: {sentence}", err=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
