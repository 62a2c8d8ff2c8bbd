"""Sessions of browsers, and device tokens of browsers that have logged in before.

Rules: the database stores only the SHA-256 of a secret. A session ends after IDLE_TIMEOUT, after SESSION_LIFETIME, at
logout, when its owner ends it, when the password changes, and when the account is disabled. Its last use is recorded at
most once a minute.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from ledger.accounts import secret_tokens
from ledger.accounts.tables import ACCOUNT, DEVICE, MEMBERSHIP, PROJECT, SECOND_FACTOR, SESSION

IDLE_TIMEOUT: Final = timedelta(hours=8)
SESSION_LIFETIME: Final = timedelta(days=7)
DEVICE_LIFETIME: Final = timedelta(days=180)
LAST_USE_INTERVAL: Final = timedelta(minutes=1)
RECENT: Final = timedelta(minutes=30)  # an administrative change needs a password that was entered since

# Made once: to make this query takes longer than to send it, and every page needs it.
SELECT_BY_SECRET: Final = (
    select(
        SESSION.c.hash,
        SESSION.c.last_seen,
        SESSION.c.authenticated,
        ACCOUNT.c.id,
        ACCOUNT.c.name,
        ACCOUNT.c.is_administrator,
        (ACCOUNT.c.must_change_password & ~SESSION.c.is_by_provider).label("must_change_password"),
        SECOND_FACTOR.c.confirmed,
        PROJECT.c.name.label("project"),
    )
    .select_from(SESSION)
    .join(ACCOUNT, ACCOUNT.c.id == SESSION.c.account_id)
    .outerjoin(SECOND_FACTOR, SECOND_FACTOR.c.account_id == ACCOUNT.c.id)
    .outerjoin(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
    .outerjoin(PROJECT, PROJECT.c.id == MEMBERSHIP.c.project_id)
    .where(
        SESSION.c.hash == bindparam("digest"),
        SESSION.c.ends > bindparam("now"),
        SESSION.c.last_seen > bindparam("seen_after"),
        ACCOUNT.c.disabled.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Session:
    """A session: its account and the projects that the account may read."""

    hash: bytes
    account: int
    name: str
    is_administrator: bool
    reads: frozenset[str]
    last_seen: datetime
    authenticated: datetime | None
    must_change_password: bool
    has_second_factor: bool

    def is_recently_authenticated(self, now: datetime) -> bool:
        """Return whether its user proved to be the account's owner within RECENT."""
        return self.authenticated is not None and now - self.authenticated < RECENT


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its owner sees it in the list; `id` is the hash in hexadecimal, which opens nothing."""

    id: str
    created: datetime
    last_seen: datetime
    address: str
    browser: str


def create(  # noqa: PLR0913 - each is a property of the session
    connection: Connection,
    account: int,
    now: datetime,
    *,
    address: str = "",
    browser: str = "",
    is_by_provider: bool = False,
) -> str:
    """Start a session and return its secret; `is_by_provider`: the OpenID provider says who its user is."""
    origin = {"address": address, "browser": browser, "authenticated": now, "is_by_provider": is_by_provider}
    return insert_browser_secret(connection, SESSION, account, now, SESSION_LIFETIME, **origin)


def create_device_token(connection: Connection, account: int, now: datetime) -> str:
    """Create a device token for a browser and return it."""
    return insert_browser_secret(connection, DEVICE, account, now, DEVICE_LIFETIME)


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
    values = {"digest": secret_tokens.digest(given), "now": now, "seen_after": now - IDLE_TIMEOUT}
    rows = connection.execute(SELECT_BY_SECRET, values).all()
    if not rows:
        return None
    first, reads = rows[0], frozenset(row.project for row in rows if row.project is not None)
    return Session(
        first.hash,
        first.id,
        first.name,
        bool(first.is_administrator),
        reads,
        first.last_seen,
        first.authenticated,
        bool(first.must_change_password),
        first.confirmed is not None,
    )


def of_account(connection: Connection, account: int, now: datetime) -> list[ListedSession]:
    """Return the valid sessions of an account, the one that was used last first."""
    found = (
        select(SESSION)
        .where(SESSION.c.account_id == account, *_is_valid(now))
        .order_by(SESSION.c.last_seen.desc(), SESSION.c.hash)
    )
    return [
        ListedSession(row.hash.hex(), row.created, row.last_seen, row.address, row.browser)
        for row in connection.execute(found)
    ]


def is_recently_used(session: Session, now: datetime) -> bool:
    """Return whether a use was recorded in the last minute."""
    return now - session.last_seen < LAST_USE_INTERVAL


def touch(connection: Connection, session: Session, now: datetime) -> None:
    """Record a use of a session."""
    mine = (SESSION.c.hash == session.hash) & (SESSION.c.last_seen < now)
    connection.execute(update(SESSION).where(mine).values(last_seen=now))


def confirm(connection: Connection, session: Session, now: datetime) -> None:
    """Record that the user of a session has proved to be the account's owner again."""
    connection.execute(update(SESSION).where(SESSION.c.hash == session.hash).values(authenticated=now))


def end(connection: Connection, given: str) -> None:
    """End a session."""
    connection.execute(delete(SESSION).where(SESSION.c.hash == secret_tokens.digest(given)))


def end_listed(connection: Connection, account: int, listed: str) -> bool:
    """End a session by its id in the list, if it is one of this account; return whether it was."""
    try:
        kept = bytes.fromhex(listed)
    except ValueError:
        return False
    mine = (SESSION.c.hash == kept) & (SESSION.c.account_id == account)
    return bool(connection.execute(delete(SESSION).where(mine)).rowcount)


def end_others(connection: Connection, session: Session) -> int:
    """End every other session of the account, and return their number."""
    others = (SESSION.c.account_id == session.account) & (SESSION.c.hash != session.hash)
    return connection.execute(delete(SESSION).where(others)).rowcount


def delete_device_token(connection: Connection, given: str) -> None:
    """Delete a device token."""
    connection.execute(delete(DEVICE).where(DEVICE.c.hash == secret_tokens.digest(given)))


def delete_other_device_tokens(connection: Connection, account: int, given: str) -> None:
    """Delete the device tokens of an account, except that of this browser."""
    others = (DEVICE.c.account_id == account) & (DEVICE.c.hash != secret_tokens.digest(given))
    connection.execute(delete(DEVICE).where(others))


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete sessions and device tokens that have ended."""
    connection.execute(delete(SESSION).where(SESSION.c.ends < now))
    connection.execute(delete(DEVICE).where(DEVICE.c.ends < now))


def insert_browser_secret(
    connection: Connection, table: Table, account: int, now: datetime, length: timedelta, **more: Any
) -> str:
    """Add a row of a table of secrets that browsers have, and return the secret."""
    given = secret_tokens.new()
    values = {
        "hash": secret_tokens.digest(given),
        "account_id": account,
        "created": now,
        "last_seen": now,
        "ends": now + length,
        **more,
    }
    connection.execute(insert(table).values(values))
    return given


def _is_valid(now: datetime) -> tuple[Any, Any]:
    return SESSION.c.ends > now, SESSION.c.last_seen > now - IDLE_TIMEOUT
