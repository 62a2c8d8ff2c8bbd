"""Says that a token expires soon, before the ledger refuses it.

Input: the header `Cloison-Token-Expires` of a ledger's answer, an RFC 3339 time in UTC. Output: a clause, or an empty
string when there is nothing to say. A header that is not such a time is ignored: the proof was accepted in any case.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

HEADER: Final = "Cloison-Token-Expires"
NOTICE_PERIOD: Final = timedelta(days=14)
"""How long before its end a token is worth a message."""


def expiry_notice(header: str, now: datetime) -> str:
    """Return when a token expires, as a clause, if that is within NOTICE_PERIOD."""
    try:
        expires = datetime.fromisoformat(header)
    except ValueError:
        return ""
    if expires.tzinfo is None or expires - now > NOTICE_PERIOD:
        return ""
    days = (expires - now) // timedelta(days=1)
    left = "in less than a day" if days < 1 else "in 1 day" if days == 1 else f"in {days} days"
    return f"expires on {expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {left}"
