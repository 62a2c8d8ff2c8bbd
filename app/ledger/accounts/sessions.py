"""Sessions of browsers, and device tokens of browsers that have logged in before.

Rules: the database stores only the SHA-256 of a secret. A session ends after IDLE_TIMEOUT, after SESSION_LIFETIME, at
logout, when the password changes, and when the account is disabled. Its last use is recorded at most once a minute.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Table, delete, insert, select, update

from ledger.accounts import secret_tokens
from ledger.accounts.tables import ACCOUNT, DEVICE, MEMBERSHIP, PROJECT, SESSION

IDLE_TIMEOUT: Final = timedelta(hours=8)
SESSION_LIFETIME: Final = timedelta(days=7)
DEVICE_LIFETIME: Final = timedelta(days=180)
LAST_USE_INTERVAL: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A session: its account and the projects that the account may read."""

    hash: bytes
    account: int
    name: str
    is_administrator: bool
    reads: frozenset[str]
    last_seen: datetime


def create(connection: Connection, account: int, now: datetime) -> str:
    """Start a session and return its secret."""
    return _insert(connection, SESSION, account, now, SESSION_LIFETIME)


def create_device_token(connection: Connection, account: int, now: datetime) -> str:
    """Create a device token for a browser and return it."""
    return _insert(connection, DEVICE, account, now, DEVICE_LIFETIME)


def find_device(connection: Connection, name: str, given: str | None, now: datetime) -> bytes | None:
    """Return the hash of a device token if it is valid for the account of this name, else None."""
    if not given:
        return None
    found = (
        select(DEVICE.c.hash)
        .join(ACCOUNT, ACCOUNT.c.id == DEVICE.c.account_id)
        .where(DEVICE.c.hash == secret_tokens.digest(given), DEVICE.c.ends > now, ACCOUNT.c.name == name)
    )
    return connection.scalar(found)


def find(connection: Connection, given: str, now: datetime) -> Session | None:
    """Return a valid session with one query, or None."""
    columns = (SESSION.c.hash, SESSION.c.last_seen, ACCOUNT.c.id, ACCOUNT.c.name, ACCOUNT.c.is_administrator)
    rows = connection.execute(
        select(*columns, PROJECT.c.name.label("project"))
        .select_from(SESSION)
        .join(ACCOUNT, ACCOUNT.c.id == SESSION.c.account_id)
        .outerjoin(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
        .outerjoin(PROJECT, PROJECT.c.id == MEMBERSHIP.c.project_id)
        .where(
            SESSION.c.hash == secret_tokens.digest(given),
            SESSION.c.ends > now,
            SESSION.c.last_seen > now - IDLE_TIMEOUT,
            ACCOUNT.c.disabled.is_(None),
        )
    ).all()
    if not rows:
        return None
    first, reads = rows[0], frozenset(row.project for row in rows if row.project is not None)
    return Session(first.hash, first.id, first.name, bool(first.is_administrator), reads, first.last_seen)


def is_recently_used(session: Session, now: datetime) -> bool:
    """Return whether a use was recorded in the last minute."""
    return now - session.last_seen < LAST_USE_INTERVAL


def touch(connection: Connection, session: Session, now: datetime) -> None:
    """Record a use of a session."""
    mine = (SESSION.c.hash == session.hash) & (SESSION.c.last_seen < now)
    connection.execute(update(SESSION).where(mine).values(last_seen=now))


def end(connection: Connection, given: str) -> None:
    """End a session."""
    connection.execute(delete(SESSION).where(SESSION.c.hash == secret_tokens.digest(given)))


def delete_device_token(connection: Connection, given: str) -> None:
    """Delete a device token."""
    connection.execute(delete(DEVICE).where(DEVICE.c.hash == secret_tokens.digest(given)))


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete sessions and device tokens that have ended."""
    connection.execute(delete(SESSION).where(SESSION.c.ends < now))
    connection.execute(delete(DEVICE).where(DEVICE.c.ends < now))


def _insert(connection: Connection, table: Table, account: int, now: datetime, length: timedelta) -> str:
    given = secret_tokens.new()
    values = {
        "hash": secret_tokens.digest(given),
        "account_id": account,
        "created": now,
        "last_seen": now,
        "ends": now + length,
    }
    connection.execute(insert(table).values(values))
    return given
