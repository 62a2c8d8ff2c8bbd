"""Tokens of projects. A token gives access to one project: to add proofs, to read them, or both."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from ledger.accounts import projects, secret_tokens
from ledger.accounts.errors import InputError
from ledger.accounts.tables import PROJECT, TOKEN

PREFIX: Final = "clo_"  # identifies a leaked token, for example to secret scanners
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.@-]{0,62}")
NAME_RULE: Final = (
    "A token's name has 1 to 63 letters, digits, spaces, dots, dashes, @ or underscores: choose the name of its owner."
)
LAST_USE_INTERVAL: Final = timedelta(minutes=1)

# Made once: to make a query takes longer than to send it, and every request of a program needs this one.
TOKENS: Final[Select[Any]] = select(
    TOKEN.c.id,
    PROJECT.c.name.label("project"),
    TOKEN.c.name,
    TOKEN.c.may_read,
    TOKEN.c.may_write,
    TOKEN.c.created,
    TOKEN.c.last_used,
    TOKEN.c.revoked,
    TOKEN.c.expires,
).join_from(TOKEN, PROJECT, PROJECT.c.id == TOKEN.c.project_id)
SELECT_BY_SECRET: Final = TOKENS.where(TOKEN.c.hash == bindparam("digest"), TOKEN.c.revoked.is_(None))


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the database stores it, without its secret."""

    id: int
    project: str
    name: str
    may_read: bool
    may_write: bool
    created: datetime
    last_used: datetime | None
    revoked: datetime | None
    expires: datetime | None

    def is_expired(self, now: datetime) -> bool:
        """Return whether the time of the token is over."""
        return self.expires is not None and self.expires <= now


def create(  # noqa: PLR0913 - each is a property of the token
    connection: Connection,
    project: str,
    name: str,
    *,
    may_read: bool,
    may_write: bool,
    now: datetime,
    expires: datetime | None = None,
) -> str:
    """Create a token and return its secret, which is not stored."""
    if not NAME.fullmatch(name):
        raise InputError(NAME_RULE, "name")
    if not (may_read or may_write):
        raise InputError("A token must be able to read or to add proofs: choose one or both.", "may_read")
    owner = projects.number(connection, project)
    known = of_project(connection, project)
    if any(token.name == name and not token.revoked and not token.is_expired(now) for token in known):
        raise InputError(f"{project} has a token {name} already: revoke it first, or choose another name.", "name")
    given = PREFIX + secret_tokens.new()
    values = {
        "project_id": owner,
        "name": name,
        "hash": secret_tokens.digest(given),
        "created": now,
        "expires": expires,
    }
    connection.execute(insert(TOKEN).values(**values, may_read=may_read, may_write=may_write))
    return given


def find(connection: Connection, given: str) -> Token | None:
    """Return the token with this secret unless it is revoked, or None; it may be expired."""
    if not given.startswith(PREFIX):
        return None
    row = connection.execute(SELECT_BY_SECRET, {"digest": secret_tokens.digest(given)}).one_or_none()
    return Token(**row._asdict()) if row else None


def of_project(connection: Connection, project: str) -> list[Token]:
    """Return a project's tokens, the newest first."""
    rows = connection.execute(TOKENS.where(PROJECT.c.name == project).order_by(TOKEN.c.id.desc()))
    return [Token(**row._asdict()) for row in rows]


def revoke(connection: Connection, token: int, now: datetime) -> Token:
    """Revoke a token from the next request on, and return it."""
    row = connection.execute(TOKENS.where(TOKEN.c.id == token)).one_or_none()
    if row is None:
        raise InputError("There is no such token.")
    connection.execute(update(TOKEN).where(TOKEN.c.id == token, TOKEN.c.revoked.is_(None)).values(revoked=now))
    return Token(**row._asdict())


def is_recently_used(token: Token, now: datetime) -> bool:
    """Return whether a use was recorded in the last minute."""
    return token.last_used is not None and now - token.last_used < LAST_USE_INTERVAL


def touch(connection: Connection, token: Token, now: datetime) -> bool:
    """Record a use of a token; return False when another request has done so meanwhile."""
    unwritten = TOKEN.c.last_used.is_(None) | (TOKEN.c.last_used < now - LAST_USE_INTERVAL)
    return bool(
        connection.execute(update(TOKEN).where(TOKEN.c.id == token.id, unwritten).values(last_used=now)).rowcount
    )


def describe(project: str, name: str, *, may_read: bool, may_write: bool, expires: datetime | None = None) -> str:
    """Return a description of a token without its secret."""
    scopes = [scope for scope, has in (("read", may_read), ("write", may_write)) if has]
    end = f", expires {expires:%Y-%m-%d}" if expires else ""
    return f"{project}/{name}, {' and '.join(scopes)}{end}"
