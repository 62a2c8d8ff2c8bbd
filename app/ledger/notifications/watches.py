"""What is set for the notifications of a project: the hours until it is overdue, and the key of its feed."""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, update

from ledger.accounts.errors import InputError
from ledger.notifications import events, record
from ledger.notifications.events import Kind
from ledger.notifications.tables import PROJECT, WATCH

MAX_HOURS: Final = 24 * 365


@dataclass(frozen=True, slots=True)
class Watch:
    """What is set for a project; `overdue_hours` 0 is never."""

    feed_key: str
    overdue_hours: int
    state: str


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
    state = events.NO_STATE if before.state == Kind.OVERDUE else before.state
    connection.execute(update(WATCH).where(WATCH.c.project_id == project).values(overdue_hours=hours, state=state))


def renew_feed_key(connection: Connection, project: int) -> None:
    """Give the feed of a project a new key; the old address ends."""
    of_project(connection, project)
    key = secrets.token_hex(16)
    connection.execute(update(WATCH).where(WATCH.c.project_id == project).values(feed_key=key))


def by_feed_key(connection: Connection, key: str) -> tuple[int, str] | None:
    """Return id and name of the project whose feed has this key, or None."""
    query = (
        select(PROJECT.c.id, PROJECT.c.name)
        .join_from(PROJECT, WATCH, WATCH.c.project_id == PROJECT.c.id)
        .where(WATCH.c.feed_key == key)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.id, row.name)
