"""Logins that wait for the answer of the OpenID provider, each for one browser and one answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from ledger.accounts import secret_tokens
from ledger.accounts.tables import PROVIDER_LOGIN

LIFETIME: Final = timedelta(minutes=10)
MAX_PATH: Final = 2000  # characters of the page that the login leads to


class Purpose(StrEnum):
    """What the answer is for."""

    LOGIN = "login"
    LINK = "link"  # to link the identity to the account of a session
    CONFIRM = "confirm"  # to show again that the user of a session is the account's owner


@dataclass(frozen=True, slots=True)
class ProviderLogin:
    """A login that waits; `account` is that of the session in which it began, if it began in one."""

    purpose: Purpose
    account: int | None
    next_path: str
    created: datetime


def create(connection: Connection, purpose: Purpose, account: int | None, next_path: str, now: datetime) -> str:
    """Start to wait for an answer, and return the secret of the browser."""
    given = secret_tokens.new()
    values = {
        "hash": secret_tokens.digest(given),
        "account_id": account,
        "purpose": purpose.value,
        "next_path": next_path if len(next_path) <= MAX_PATH else "/",
        "created": now,
        "ends": now + LIFETIME,
    }
    connection.execute(insert(PROVIDER_LOGIN).values(values))
    return given


def use(connection: Connection, given: str, now: datetime) -> ProviderLogin | None:
    """Return what a browser waits for and end the wait, or return None when it waits for nothing."""
    this = PROVIDER_LOGIN.c.hash == secret_tokens.digest(given)
    row = connection.execute(select(PROVIDER_LOGIN).where(this, PROVIDER_LOGIN.c.ends > now)).one_or_none()
    # Of two requests with the same answer one deletes the row.
    if row is None or not connection.execute(delete(PROVIDER_LOGIN).where(this)).rowcount:
        return None
    return ProviderLogin(Purpose(row.purpose), row.account_id, row.next_path, row.created)


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete logins that the provider has not answered in time."""
    connection.execute(delete(PROVIDER_LOGIN).where(PROVIDER_LOGIN.c.ends < now))
