"""The end of a token: a number of days or a date, as a person enters it."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final

from ledger.accounts.errors import InputError

DAYS: Final = re.compile(r"([1-9][0-9]{0,3})d?", re.ASCII)
MAX_DAYS: Final = 3650
LAST_SECOND: Final = time(23, 59, 59)
RULE: Final = f"A token expires after 1 to {MAX_DAYS} days, or at the end of a day such as 2030-12-31."


def parse_expiry(given: str, now: datetime) -> datetime | None:
    """Return the end that "90", "90d" or "2030-12-31" (the end of that day, UTC) stands for, or None for an empty text.

    InputError when it stands for none, or for one in the past.
    """
    text = given.strip().lower()
    if text in {"", "never"}:
        return None
    found = DAYS.fullmatch(text)
    try:
        end = now + timedelta(days=int(found[1])) if found else datetime.combine(date.fromisoformat(text), LAST_SECOND)
    except ValueError as error:
        raise InputError(RULE, "expires") from error
    if not now < end <= now + timedelta(days=MAX_DAYS):
        raise InputError(RULE, "expires")
    return end
