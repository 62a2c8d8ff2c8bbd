"""What is set for the notifications of a project: the hours until it is overdue, and the key of its feed."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select, text, update

from cloison_view import project_events
from cloison_view.project_events import Kind
from ledger.accounts.errors import InputError
from ledger.archive import project_list
from ledger.notifications import record
from ledger.notifications.tables import PROJECT, WATCH

MAX_HOURS: Final = 24 * 365

# A channel fails when the last of its messages that came to an end was given up.
SELECT_NOTICES: Final = text(
    "SELECT LEAST(l.started, l.received) AS moment, p.created, COALESCE(w.overdue_hours, :hours) AS hours,"
    " (SELECT GROUP_CONCAT(c.name ORDER BY c.name SEPARATOR '\n') FROM channel c WHERE c.project_id = p.id AND ("
    "SELECT d.given_up IS NOT NULL FROM delivery d WHERE d.channel_id = c.id"
    " AND (d.sent IS NOT NULL OR d.given_up IS NOT NULL) ORDER BY d.id DESC LIMIT 1)) AS failing"
    " FROM project p LEFT JOIN proof l ON l.id = p.last_proof LEFT JOIN watch w ON w.project_id = p.id"
    " WHERE p.name = :name"
)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is set for a project; `overdue_hours` 0 is never."""

    feed_key: str
    overdue_hours: int
    state: str


@dataclass(frozen=True, slots=True)
class WatchedProject:
    """A project that was found by the key of its feed."""

    id: int
    name: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Notices:
    """What the page of a project says beside its proof: that it is old, and which channels do not work."""

    is_overdue: bool
    failing: tuple[str, ...]


def of_project(connection: Connection, project: int) -> Watch:
    """Return what is set for a project; the caller commits, because the first call makes the key of the feed."""
    query = select(WATCH.c.feed_key, WATCH.c.overdue_hours, WATCH.c.state).where(WATCH.c.project_id == project)
    row = connection.execute(query).one_or_none()
    if row is None:
        record.add_missing(connection, project)
        row = connection.execute(query).one()
    return Watch(*row)


def set_overdue_hours(connection: Connection, project: int, hours: int) -> None:
    """Set after how many hours without a proof a project is overdue; a project that is so now is looked at anew."""
    if not 0 <= hours <= MAX_HOURS:
        raise InputError(f"The hours are a number from 0, which is never, to {MAX_HOURS:,}.", "hours")
    before = of_project(connection, project)
    state = project_events.NO_STATE if before.state == Kind.OVERDUE else before.state
    connection.execute(update(WATCH).where(WATCH.c.project_id == project).values(overdue_hours=hours, state=state))


def renew_feed_key(connection: Connection, project: int) -> None:
    """Give the feed of a project a new key; the old address ends."""
    of_project(connection, project)
    key = secrets.token_hex(16)
    connection.execute(update(WATCH).where(WATCH.c.project_id == project).values(feed_key=key))


def by_feed_key(connection: Connection, key: str) -> WatchedProject | None:
    """Return the project whose feed has this key, or None."""
    query = (
        select(PROJECT.c.id, PROJECT.c.name, PROJECT.c.created)
        .join_from(PROJECT, WATCH, WATCH.c.project_id == PROJECT.c.id)
        .where(WATCH.c.feed_key == key)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else WatchedProject(*row)


def notices(connection: Connection, name: str, now: datetime) -> Notices:
    """Return what the page of a project has to say beside its proof."""
    row = connection.execute(SELECT_NOTICES, {"name": name, "hours": project_list.DEFAULT_OVERDUE_HOURS}).one_or_none()
    if row is None:
        return Notices(is_overdue=False, failing=())
    is_late = project_list.is_overdue(row.moment or row.created, row.hours, now)
    return Notices(is_overdue=is_late, failing=tuple(row.failing.split("\n")) if row.failing else ())
