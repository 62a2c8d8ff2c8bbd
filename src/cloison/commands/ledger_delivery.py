"""Sends the proof of a verb to the ledger that its options name; messages go to stderr.

Rule: the exit code is the verdict's. A ledger that does not accept the proof changes it only with `--ledger-required`.
"""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, replace
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
    """A proof to be sent: `queued` on disk, or None when the disk did not take it and the proof is only in memory."""

    sender: ProofSender
    queued: QueuedProof | None
    proof: Proof
    is_required: bool

    def send(self, code: int) -> int:
        """Send every queued proof and return the command's exit code."""
        if self._was_accepted() or not self.is_required:
            return code
        return UNPROVEN if code == PROVEN else code

    def _was_accepted(self) -> bool:
        if not self.queued:
            return self.sender.send_only(digest(self.proof), gzip.compress(canonical(self.proof)))
        folder = self.sender.spool.folder
        try:
            return self.sender.send(self.queued)
        except OSError as error:
            _print_message(f"{folder}: the proofs in it cannot be sent: {_reason(error)}")
        except KeyboardInterrupt:
            _print_message(
                f"proofs that the ledger has not accepted stay in {folder}; the next proof of this project sends them"
            )
            raise
        return False


@dataclass(frozen=True, slots=True)
class LedgerClient:
    """A ledger, and the folder of the proofs that it has not accepted yet."""

    ledger: Ledger
    spool_root: Path
    is_required: bool

    def enqueue(self, proof: Proof) -> Delivery:
        """Write a proof to disk and return its delivery; to be called as soon as the proof exists."""
        from cloison.ledger_client import delivery  # imports `requests`: slow, and needed only with a ledger

        queue = spool.spool(self.spool_root, self.ledger.url, proof.project.name, self.ledger.project)
        queued = None
        try:
            queued = queue.enqueue(canonical(proof))
        except OSError as error:
            _print_message(
                f"{queue.folder}: the proof cannot be saved there ({_reason(error)}), so it is sent only once, now"
            )
        return Delivery(delivery.ProofSender(self.ledger, queue, _print_message), queued, proof, self.is_required)


def ledger_client(ledger_options: LedgerOptions) -> LedgerClient | None:
    """Return the ledger's client, None without a ledger; removes the token from the environment, so call it first.

    Raises UsageError when the address or the token is not valid, or there is no folder to save a proof in.
    """
    if not ledger_options.url:
        if ledger_options.required:
            raise UsageError("--ledger-required needs a ledger: add --ledger URL, or set CLOISON_LEDGER")
        return None
    to = ledger(ledger_options.url, ledger_options.token_file, os.environ, ca_file=ledger_options.ca_file)
    to = replace(to, project=ledger_options.sent_as)
    if to.warning:
        _print_message(to.warning)
    return LedgerClient(to, spool.spool_root(os.environ), ledger_options.required)


def _print_message(sentence: str) -> None:
    click.echo(f"cloison: {sentence}", err=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
