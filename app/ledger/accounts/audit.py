"""The audit log: every administrative action, every login, every refused login.

Rules: an entry is written in the transaction of its action, so that neither exists without the other. It never has a
secret, nor a name without an account, because people type passwords into the wrong field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from ledger.accounts.tables import AUDIT

PAGE: Final = 100
REFUSAL_RETENTION: Final = timedelta(days=90)  # anyone can cause refusals; all other entries are kept for ever


class AuditEvent(StrEnum):
    """The actions of the log, as the table stores them."""

    LOGIN = "logged in"
    REFUSAL = "login refused"
    LOGOUT = "logged out"
    SESSION_END = "ended sessions"
    PASSWORD = "changed own password"  # noqa: S105 - an event
    FACTOR_ON = "set up second factor"
    FACTOR_OFF = "removed second factor"
    RECOVERY = "used a recovery code"
    RECOVERY_CODES = "made recovery codes"
    LINK = "linked identity"
    UNLINK = "unlinked identity"
    ACCOUNT = "added account"
    UNLOCK = "ended delays"
    RESET = "reset password"
    ROLE = "changed standing"  # stored so since the first release; the page shows "changed role"
    READABLE_PROJECTS = "changed readable projects"
    PROJECT = "added project"
    PROOF_REMOVAL = "removed proof"
    PROJECT_REMOVAL = "removed project"
    TOKEN = "made token"  # noqa: S105 - an event
    FIRST_USE = "used token for the first time"
    EXPORT = "exported audit log"
    REVOCATION = "revoked token"
    CHANNEL = "added channel"
    CHANNEL_CHANGED = "changed channel"
    CHANNEL_REMOVED = "removed channel"
    CHANNEL_TEST = "sent test message"
    OVERDUE = "changed overdue hours"
    FEED = "made new feed address"


MAX_LENGTHS: Final[Mapping[str, int]] = {"who": 128, "about": 255, "address": 64, "request_id": 64}


@dataclass(frozen=True, slots=True)
class Actor:
    """The name, the address and the request of an action."""

    who: str
    address: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the log."""

    id: int
    at: datetime
    who: str
    what: str
    about: str
    address: str
    request_id: str


def write(connection: Connection, actor: Actor, event: AuditEvent, about: str, now: datetime) -> None:
    """Add an entry."""
    values = {"who": actor.who, "about": about, "address": actor.address, "request_id": actor.request_id}
    cut = {name: text[: MAX_LENGTHS[name]] for name, text in values.items()}
    connection.execute(insert(AUDIT).values(at=now, what=event.value, **cut))


def read(connection: Connection, before: int | None = None) -> list[AuditEntry]:
    """Return a page of entries, the newest first; `before` is the id of the last one of the page before."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(PAGE)
    if before is not None:
        query = query.where(AUDIT.c.id < before)
    return [AuditEntry(*row) for row in connection.execute(query)]


def shown_action(what: str) -> str:
    """Return the words for a stored action."""
    return "changed role" if what == AuditEvent.ROLE.value else what


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete refused logins that are older than REFUSAL_RETENTION."""
    old = (AUDIT.c.what == AuditEvent.REFUSAL.value) & (AUDIT.c.at < now - REFUSAL_RETENTION)
    connection.execute(delete(AUDIT).where(old))
