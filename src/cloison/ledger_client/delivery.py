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
from cloison.ledger_client.http import SECONDS, Answer, Fate, post
from cloison.ledger_client.spool import Spool, Waiting

MANY: Final = 100
"""Proofs sent by one run."""
BUDGET: Final = 60.0
"""Seconds after which no further proof is begun."""
TURN: Final = 30.0
"""Seconds to wait for another process that is sending."""
SHORT: Final = 12
"""Signs of a digest that a person compares."""
TROUBLES: Final[Mapping[Fate, str]] = {
    Fate.LATER: "{url} has not got the proof: {why}",
    Fate.REFUSED: "{url} will not have the proof: {why}",
    Fate.LOCKED: "{url} does not open to {token}: {why}; mend the token",
    Fate.STRANGE: "{url} is no ledger as it seems: {why}",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one run sends, and how long it waits."""

    many: int = MANY
    budget: float = BUDGET
    turn: float = TURN
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class Delivery:
    """A ledger, the row of proofs for it, and who is told."""

    ledger: Ledger
    spool: Spool
    say: Callable[[str], None]
    limits: Limits = Limits()

    def send(self, latest: Waiting) -> bool:
        """Send what waits and return whether the ledger has the latest.

        Raises OSError when the disk does not let us read or remove what waits.
        """
        with self.spool.held("sending", self.limits.turn) as is_mine:
            if is_mine:
                return self._in_order(latest)
        self.say(f"another cloison has been sending for {self.limits.turn:.0f} s and goes on; {self._left()}")
        return False

    def send_only(self, digest: str, body: bytes) -> bool:
        """Send a proof that no disk keeps, and return whether the ledger has it."""
        answer = post(self.ledger, digest, body, self.limits.seconds)
        is_taken = answer.fate is Fate.TAKEN
        self.say(f"{self.ledger.url} has the proof {digest[:SHORT]}" if is_taken else self._trouble(answer))
        return is_taken

    def _in_order(self, latest: Waiting) -> bool:
        row = self.spool.waiting()
        if latest not in row:  # whoever had the lock before us found it in the row
            is_taken = not self.spool.is_aside(latest)
            self.say(
                f"another cloison {'sent' if is_taken else 'set aside'} the proof {latest.digest[:SHORT]} meanwhile"
            )
            return is_taken
        end, taken = time.monotonic() + self.limits.budget, list[Waiting]()
        for proof in row[: self.limits.many]:
            if time.monotonic() >= end:
                break
            answer = self._sent(proof)
            if answer.fate is Fate.TAKEN:
                taken.append(proof)
            elif answer.fate is not Fate.REFUSED:
                self.say(f"{self._trouble(answer)}; {self._left()}")
                return False
        self._tell(taken, latest)
        return latest in taken

    def _sent(self, proof: Waiting) -> Answer:
        """Send one proof and have the disk follow what the ledger says."""
        try:
            body = proof.body()
        except ValueError as error:
            answer = Answer(Fate.REFUSED, str(error))
        else:
            answer = post(self.ledger, proof.digest, body, self.limits.seconds)
        if answer.fate is Fate.TAKEN:
            self.spool.forget(proof)
        if answer.fate is Fate.REFUSED:
            path = self.spool.set_aside(proof, answer.why)
            self.say(
                f"{self.ledger.url} will not have the proof {proof.digest[:SHORT]}: {answer.why}; it is now {path}"
            )
        return answer

    def _tell(self, taken: list[Waiting], latest: Waiting) -> None:
        if latest in taken:
            others = f", and {_proofs(len(taken) - 1)} that waited" if len(taken) > 1 else ""
            self.say(f"{self.ledger.url} has the proof {latest.digest[:SHORT]}{others}")
        elif self.spool.waiting():
            self.say(f"{self.ledger.url} has {_proofs(len(taken))} that waited; {self._left()}")

    def _trouble(self, answer: Answer) -> str:
        return TROUBLES[answer.fate].format(url=self.ledger.url, token=self.ledger.token_of, why=answer.why)

    def _left(self) -> str:
        count = len(self.spool.waiting())
        verbs = ("waits", "goes") if count == 1 else ("wait", "go")
        return f"{_proofs(count)} {verbs[0]} in {self.spool.folder} and {verbs[1]} with the next proof of this project"


def _proofs(count: int) -> str:
    return "1 proof" if count == 1 else f"{count} proofs"
