"""Logins whose first step was right and which wait for a code of the second factor.

Rule: a pending login is no session. It opens the form for the code and nothing else, ends after LIFETIME, with a new
password, and when it is used.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select

from ledger.accounts import secret_tokens, users
from ledger.accounts.sessions import insert_browser_secret
from ledger.accounts.tables import ACCOUNT, PENDING_LOGIN
from ledger.accounts.users import Account

LIFETIME: Final = timedelta(minutes=10)


def create(connection: Connection, account: int, now: datetime) -> str:
    """Start to wait for the code of an account, and return the secret of the browser."""
    return insert_browser_secret(connection, PENDING_LOGIN, account, now, LIFETIME)


def find(connection: Connection, given: str, now: datetime) -> Account | None:
    """Return the account that a browser waits to log in to, or None."""
    found = (
        select(ACCOUNT.c.name)
        .join(PENDING_LOGIN, ACCOUNT.c.id == PENDING_LOGIN.c.account_id)
        .where(
            PENDING_LOGIN.c.hash == secret_tokens.digest(given),
            PENDING_LOGIN.c.ends > now,
            ACCOUNT.c.disabled.is_(None),
        )
    )
    name = connection.scalar(found)
    return users.by_name(connection, name) if name else None


def use(connection: Connection, given: str) -> bool:
    """Use up a pending login; return False when another request has done so meanwhile."""
    this = PENDING_LOGIN.c.hash == secret_tokens.digest(given)
    return bool(connection.execute(delete(PENDING_LOGIN).where(this)).rowcount)


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete pending logins that have ended."""
    connection.execute(delete(PENDING_LOGIN).where(PENDING_LOGIN.c.ends < now))
