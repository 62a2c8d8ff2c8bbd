"""Who did what: every administrative action, every login, every refused one.

Rules: an entry is written in the transaction of what it tells, so there is neither without the other. No secret is
ever in it, nor a name that no account has: people type passwords into the wrong field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from ledger.accounts.tables import AUDIT

PAGE: Final = 100
REFUSAL_RETENTION: Final = timedelta(days=90)  # anybody can cause them; what was done is kept for good


class AuditEvent(StrEnum):
    """What can be done."""

    LOGIN = "logged in"
    REFUSAL = "login refused"
    LOGOUT = "logged out"
    PASSWORD = "changed own password"  # noqa: S105 - an event
    ACCOUNT = "added account"
    RESET = "reset password"
    ROLE = "changed standing"
    READABLE_PROJECTS = "changed readable projects"
    PROJECT = "added project"
    TOKEN = "made token"  # noqa: S105 - an event
    FIRST_USE = "used token for the first time"
    REVOCATION = "revoked token"


MAX_LENGTHS: Final[Mapping[str, int]] = {"who": 128, "about": 255, "address": 64, "request_id": 64}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, from where, in which request."""

    who: str
    address: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log."""

    id: int
    at: datetime
    who: str
    what: str
    about: str
    address: str
    request_id: str


def write(connection: Connection, actor: Actor, event: AuditEvent, about: str, now: datetime) -> None:
    """Add a line."""
    told = {"who": actor.who, "about": about, "address": actor.address, "request_id": actor.request_id}
    cut = {name: text[: MAX_LENGTHS[name]] for name, text in told.items()}
    connection.execute(insert(AUDIT).values(at=now, what=event.value, **cut))


def read(connection: Connection, before: int | None = None) -> list[AuditEntry]:
    """Return a page of lines, the newest first."""
    asked = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(PAGE)
    if before is not None:
        asked = asked.where(AUDIT.c.id < before)
    return [AuditEntry(*row) for row in connection.execute(asked)]


def delete_expired(connection: Connection, now: datetime) -> None:
    """Drop refusals of long ago."""
    old = (AUDIT.c.what == AuditEvent.REFUSAL.value) & (AUDIT.c.at < now - REFUSAL_RETENTION)
    connection.execute(delete(AUDIT).where(old))
