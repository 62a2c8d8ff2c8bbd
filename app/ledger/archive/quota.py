"""The quota of a token: how many proofs and changed connections it may add on one day, in UTC.

Rule: counted in the transaction that adds the proof, so that a proof that is not stored costs nothing. The first proof
of a day is added whatever it changes, so that no project is too large for its quota.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, text

COUNT: Final = text(
    "INSERT INTO token_usage (token_id, day, proofs, changes) VALUES (:token, :day, :proofs, :changes)"
    " ON DUPLICATE KEY UPDATE proofs = IF(day = VALUES(day), proofs + VALUES(proofs), VALUES(proofs)),"
    " changes = IF(day = VALUES(day), changes + VALUES(changes), VALUES(changes)), day = VALUES(day)"
    " RETURNING proofs, changes"
)


@dataclass(frozen=True, slots=True)
class Quota:
    """What the token with this id may add on one day."""

    token: int
    proofs: int
    changes: int


class QuotaExceededError(Exception):
    """The token has added what it may add today; `seconds` is the time until the next day."""

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence)
        self.seconds = seconds


def spend(connection: Connection, quota: Quota, changes: int, now: datetime, *, proofs: int = 1) -> None:
    """Count proofs with this number of changed connections; QuotaExceededError when it is one too many."""
    used = connection.execute(
        COUNT, {"token": quota.token, "day": now.date(), "proofs": proofs, "changes": changes}
    ).one()
    if used.proofs > quota.proofs:
        raise _exceeded(f"{quota.proofs:,} proofs", now)
    if used.changes > quota.changes and used.proofs > 1 and changes:
        raise _exceeded(f"{quota.changes:,} changed connections", now)


def _exceeded(what: str, now: datetime) -> QuotaExceededError:
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return QuotaExceededError(
        f"This token may add {what} a day, and has done so. The next day begins at midnight UTC.",
        int((tomorrow - now).total_seconds()) + 1,
    )
