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

from cloison.commands.options import Recipient
from cloison.errors import PROVEN, UNPROVEN, UsageError
from cloison.ledger_client import spool
from cloison.ledger_client.config import Ledger, ledger
from cloison.proof.schema import Proof, canonical, digest

if TYPE_CHECKING:
    from cloison.ledger_client.delivery import Delivery
    from cloison.ledger_client.spool import Waiting


@dataclass(frozen=True, slots=True)
class Parcel:
    """A proof on its way: `waiting` on disk, or nowhere but here."""

    delivery: Delivery
    waiting: Waiting | None
    proof: Proof
    is_required: bool

    def send(self, code: int) -> int:
        """Send what waits and return the command's exit code."""
        if self._has_arrived() or not self.is_required:
            return code
        return UNPROVEN if code == PROVEN else code

    def _has_arrived(self) -> bool:
        if not self.waiting:
            return self.delivery.send_only(digest(self.proof), gzip.compress(canonical(self.proof)))
        folder = self.delivery.spool.folder
        try:
            return self.delivery.send(self.waiting)
        except OSError as error:
            _say(f"{folder} cannot be sent: {_reason(error)}")
        except KeyboardInterrupt:
            _say(f"what the ledger has not got yet waits in {folder} and goes with the next proof of this project")
            raise
        return False


@dataclass(frozen=True, slots=True)
class Courier:
    """Takes proofs to a ledger."""

    ledger: Ledger
    home: Path
    is_required: bool

    def take(self, proof: Proof) -> Parcel:
        """Have the disk keep a proof, before anything else can go wrong."""
        from cloison.ledger_client import delivery  # with `requests`, which only who has a ledger pays for

        row = spool.spool(self.home, self.ledger.url, proof.project.name)
        waiting = None
        try:
            waiting = row.keep(canonical(proof))
        except OSError as error:
            _say(f"the proof cannot be kept in {row.folder} ({_reason(error)}), so it is sent now or never")
        return Parcel(delivery.Delivery(self.ledger, row, _say), waiting, proof, self.is_required)


def courier(recipient: Recipient) -> Courier | None:
    """Return who delivers, None without a ledger, before any work is done: it takes the token out of the environment.

    Raises UsageError when the address or the token cannot be one, or there is no folder to keep a proof in.
    """
    if not recipient.url:
        if recipient.required:
            raise UsageError("--ledger-required needs to know which: add --ledger URL, or set CLOISON_LEDGER")
        return None
    to = ledger(recipient.url, recipient.token_file, os.environ)
    if to.warning:
        _say(to.warning)
    return Courier(to, spool.home(os.environ), recipient.required)


def _say(sentence: str) -> None:
    click.echo(f"cloison: {sentence}", err=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
