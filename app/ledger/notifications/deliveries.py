"""Deliveries: which messages are due, who takes them, and what became of them.

Rules:
- A notifier takes a delivery by moving its `due` beyond the time of one attempt (a lease). Rows that another notifier
  has locked are skipped (SKIP LOCKED), so any number of them share the work. If one dies, the lease ends and another
  takes over: that is the one case in which a receiver can get a message twice, with the same id.
- Messages of one channel are sent in their order: "back to normal" never overtakes the breach before it.
- A failed attempt is repeated after BACKOFF, and given up a day after the event.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from cloison_view import project_events
from cloison_view.project_events import Kind
from ledger.encryption.keys import UnreadableError, keys_of, place_of_channel
from ledger.notifications.formats import Message

LEASE: Final = timedelta(
    seconds=150
)  # longer than an attempt: LEDGER_NOTIFY_TIMEOUT is at most 60 s, and a connection's
BACKOFF: Final = (10, 30, 120, 600, 1800, 3600)  # seconds after each failed attempt; the last one repeats
JITTER: Final = 0.2  # of it, so that messages which failed together are not all repeated together
GIVE_UP_AFTER: Final = timedelta(days=1)
KEEP_EVENTS: Final = timedelta(days=365)
SHOWN: Final = 20  # events of a page

TAKE: Final = text(
    "SELECT d.id FROM delivery d WHERE d.sent IS NULL AND d.given_up IS NULL AND d.due <= :now"
    " AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.channel_id = d.channel_id AND o.id < d.id"
    " AND o.sent IS NULL AND o.given_up IS NULL)"
    " ORDER BY d.attempts, d.due LIMIT 1 FOR UPDATE SKIP LOCKED"
)
LEASE_ONE: Final = text("UPDATE delivery SET due = :until, attempts = attempts + 1 WHERE id = :id")
SELECT_TAKEN: Final = text(
    "SELECT d.id, d.attempts, d.message_id, d.created, p.name AS project, e.kind, e.at, e.summary, e.digest, e.details,"
    " c.name AS channel, c.format, c.project_id, c.target, c.secret"
    " FROM delivery d JOIN event e ON e.id = d.event_id JOIN channel c ON c.id = d.channel_id"
    " JOIN project p ON p.id = e.project_id WHERE d.id = :id"
)
# `attempts` is the number of the lease: a notifier that was too slow does not overwrite what its successor found.
SET_SENT: Final = text("UPDATE delivery SET sent = :now, error = '' WHERE id = :id AND attempts = :attempts")
SET_FAILED: Final = text(
    "UPDATE delivery SET due = :due, error = :error WHERE id = :id AND attempts = :attempts AND sent IS NULL"
)
SET_GIVEN_UP: Final = text(
    "UPDATE delivery SET given_up = :now, error = :error WHERE id = :id AND attempts = :attempts AND sent IS NULL"
)
SELECT_EVENTS: Final = text(
    "SELECT id, kind, cause, at, digest, summary FROM event WHERE project_id = :project"
    " AND (:tests OR kind <> 'test') ORDER BY id DESC LIMIT :most"
)
SELECT_DELIVERIES: Final = (
    "SELECT d.event_id, c.name AS channel, d.attempts, d.sent, d.given_up, d.due, d.error FROM delivery d"
    " JOIN channel c ON c.id = d.channel_id JOIN event e ON e.id = d.event_id WHERE e.project_id = :project"
    " AND d.event_id >= :oldest ORDER BY d.event_id DESC, c.name"
)
SEEN: Final = text(
    "INSERT INTO notifier (id, last_seen) VALUES (1, :now)"
    " ON DUPLICATE KEY UPDATE last_seen = GREATEST(last_seen, :now)"
)
FORGET: Final = text("DELETE FROM event WHERE at < :oldest LIMIT 1000")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was taken, with its channel's address and secret, which nothing shows.

    `unreadable` says why there are none, "" when there are.
    """

    id: int
    attempts: int
    created: datetime
    channel: str
    format: str
    target: str
    secret: str
    message: Message
    unreadable: str = ""

    def __repr__(self) -> str:
        """Return a text without address and secret, for a log or a traceback."""
        return f"Delivery({self.id}, {self.message.project}/{self.channel})"


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What became of a message, for people."""

    channel: str
    attempts: int
    sent: datetime | None
    given_up: datetime | None
    due: datetime
    error: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of a project."""

    id: int
    kind: str
    cause: str
    at: datetime
    digest: str
    summary: str
    deliveries: tuple[DeliveryRecord, ...] = ()

    @property
    def title(self) -> str:
        """The kind in a few words."""
        return project_events.TITLES[Kind(self.kind)]


def take(connection: Connection, now: datetime, public_url: str) -> Delivery | None:
    """Take the next message that is due, or return None; the caller commits before it sends."""
    number = connection.scalar(TAKE, {"now": now})
    if number is None:
        return None
    connection.execute(LEASE_ONE, {"id": number, "until": now + LEASE})
    return _delivery(connection, connection.execute(SELECT_TAKEN, {"id": number}).one(), public_url)


def set_sent(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """Record that the receiver has accepted a message."""
    connection.execute(SET_SENT, {"now": now, "id": delivery.id, "attempts": delivery.attempts})


def set_failed(
    connection: Connection, delivery: Delivery, error: str, now: datetime, *, is_final: bool = False
) -> bool:
    """Record a failed attempt, and return whether the message is given up."""
    due = now + timedelta(seconds=backoff(delivery.attempts))
    gives_up = is_final or due > delivery.created + GIVE_UP_AFTER
    values = {"id": delivery.id, "attempts": delivery.attempts, "error": error[:255]}
    if gives_up:
        connection.execute(SET_GIVEN_UP, {**values, "now": now})
    else:
        connection.execute(SET_FAILED, {**values, "due": due})
    return gives_up


def backoff(attempts: int) -> float:
    """Return the seconds to wait after this number of failed attempts."""
    base = BACKOFF[min(attempts, len(BACKOFF)) - 1]
    return base * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - no secret


def recent(connection: Connection, project: int, *, most: int = SHOWN, with_tests: bool = True) -> list[EventRecord]:
    """Return the last events of a project, the newest first, with what became of their messages."""
    rows = connection.execute(SELECT_EVENTS, {"project": project, "most": most, "tests": with_tests}).all()
    found: dict[int, list[DeliveryRecord]] = {row.id: [] for row in rows}
    if rows:
        given = {"project": project, "oldest": rows[-1].id}
        for row in connection.execute(text(SELECT_DELIVERIES), given):
            if row.event_id in found:
                found[row.event_id].append(DeliveryRecord(*row[1:]))
    return [
        EventRecord(
            row.id,
            row.kind,
            row.cause,
            row.at,
            row.digest.hex() if row.digest else "",
            row.summary,
            tuple(found[row.id]),
        )
        for row in rows
    ]


def record_notifier(connection: Connection, now: datetime) -> None:
    """Record that a notifier runs."""
    connection.execute(SEEN, {"now": now})


def last_notifier(connection: Connection) -> datetime | None:
    """Return when a notifier was last seen."""
    found: datetime | None = connection.scalar(text("SELECT last_seen FROM notifier"))
    return found


def forget_old(connection: Connection, now: datetime) -> None:
    """Delete events that are older than a year."""
    connection.execute(FORGET, {"oldest": now - KEEP_EVENTS})


def _delivery(connection: Connection, row: Row[Any], public_url: str) -> Delivery:
    details: Mapping[str, Any] = json.loads(row.details)
    digest = row.digest.hex() if row.digest else ""
    link = f"{public_url}/projects/{row.project}" if public_url else ""
    message = Message(f"msg_{row.message_id}", row.project, Kind(row.kind), row.at, row.summary, digest, details, link)
    keys, place = keys_of(connection), place_of_channel(row.project_id)
    target, secret, unreadable = "", "", ""
    try:
        target, secret = keys.decrypt(row.target, place), keys.decrypt(row.secret, place)
    except UnreadableError as error:
        unreadable = str(error)
    return Delivery(row.id, row.attempts, row.created, row.channel, row.format, target, secret, message, unreadable)
