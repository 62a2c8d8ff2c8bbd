"""Channels: where the events of a project are sent. A channel is a webhook in one of the formats, or a mailbox.

Rule: an address and a secret are never shown again and never logged; a page, a verb and the audit log show what
`Channel.shown` has. In the database both are encrypted. The one secret that the ledger makes, for signatures, is shown
when the channel is added.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from cloison_view import webhook_signature
from ledger.accounts.errors import InputError
from ledger.encryption.keys import UnreadableError, keys_of, place_of_channel
from ledger.notifications import formats, mail, web_address
from ledger.notifications.tables import CHANNEL, DELIVERY

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.@-]{0,62}")
NAME_RULE: Final = "A channel's name has 1 to 63 letters, digits, spaces, dots, dashes, @ or underscores."
SECRET: Final = re.compile(r"[\x21-\x7e]{0,255}")
MAX_CHANNELS: Final = 20  # of one project
UNREADABLE: Final = "cannot be read: its key is lost"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as people may see it."""

    id: int
    name: str
    format: str
    shown: str
    created: datetime

    @property
    def label(self) -> str:
        """The format for people."""
        return formats.FORMAT_LABELS[self.format]


def add(  # noqa: PLR0913 - each is a property of the channel
    connection: Connection, project: int, name: str, *, kind: str, target: str, secret: str, now: datetime
) -> str:
    """Add a channel, and return the secret that was made for it, "" for none; InputError for an invalid input."""
    if not NAME.fullmatch(name):
        raise InputError(NAME_RULE, "name")
    check(kind, target, secret)
    if len(of_project(connection, project)) >= MAX_CHANNELS:
        raise InputError(f"A project has at most {MAX_CHANNELS} channels: remove one first.", "name")
    made = formats.new_secret() if kind == "json" and not secret else ""
    values = {"project_id": project, "name": name, "format": kind}
    values |= _encrypted(connection, project, {"target": target, "secret": secret or made})
    try:
        connection.execute(insert(CHANNEL).values(**values, created=now))
    except IntegrityError as error:
        raise InputError(f"There is a channel {name} already.", "name") from error
    return made


def change(  # noqa: PLR0913 - each is a property of the channel
    connection: Connection, project: int, channel: int, *, target: str, secret: str, now: datetime
) -> Channel:
    """Change the address or the secret of a channel; an empty one stays. What waits is tried again at once.

    Where the key of both is lost, none can stay, and they are checked like those of a new channel.
    """
    found, given = by_id(connection, project, channel), {"target": target, "secret": secret}
    try:
        kept = _decrypted(connection, project, channel)
    except UnreadableError as error:
        if found.format == "json" and not secret:
            raise InputError("The key of its secret is lost: enter the secret again, too.", "secret") from error
        check(found.format, target, secret)
    else:
        check(found.format, target or kept, secret or "unchanged", is_new=bool(secret))
        given = {name: value for name, value in given.items() if value}
    if given:
        values = _encrypted(connection, project, given)
        connection.execute(update(CHANNEL).where(CHANNEL.c.id == channel).values(**values))
        waits = (DELIVERY.c.channel_id == channel) & DELIVERY.c.sent.is_(None) & DELIVERY.c.given_up.is_(None)
        connection.execute(update(DELIVERY).where(waits).values(due=now))
    return by_id(connection, project, channel)


def remove(connection: Connection, project: int, channel: int) -> Channel:
    """Remove a channel with its deliveries, and return it."""
    found = by_id(connection, project, channel)
    connection.execute(delete(CHANNEL).where(CHANNEL.c.id == channel))
    return found


def of_project(connection: Connection, project: int) -> list[Channel]:
    """Return the channels of a project by their names."""
    rows = connection.execute(select(CHANNEL).where(CHANNEL.c.project_id == project).order_by(CHANNEL.c.name))
    return [
        Channel(row.id, row.name, row.format, _shown(connection, project, row.format, row.target), row.created)
        for row in rows
    ]


def by_id(connection: Connection, project: int, channel: int) -> Channel:
    """Return a channel of a project; InputError when there is none."""
    for found in of_project(connection, project):
        if found.id == channel:
            return found
    raise InputError("There is no such channel.")


def by_name(connection: Connection, project: int, name: str) -> Channel:
    """Return a channel of a project; InputError when there is none of this name."""
    for found in of_project(connection, project):
        if found.name == name:
            return found
    raise InputError(f"There is no channel {name}.", "name")


def check(kind: str, target: str, secret: str, *, is_new: bool = True) -> None:
    """Raise InputError unless address and secret fit the format."""
    if kind == formats.EMAIL:
        if not mail.is_address(target):
            raise InputError("This is not the address of one mailbox.", "target")
        return
    if kind not in formats.FORMATS:
        raise InputError(f"A channel is one of {', '.join(formats.FORMAT_LABELS)}.", "format")
    try:
        web_address.parse(target)
    except web_address.WebAddressError as error:
        raise InputError(str(error), "target") from error
    if not is_new:
        return
    if not SECRET.fullmatch(secret):
        raise InputError("A secret has at most 255 printable ASCII characters, without spaces.", "secret")
    if kind == "gotify" and not secret:
        raise InputError("Gotify needs the token of an application.", "secret")
    if kind == "json" and secret and not webhook_signature.is_signing_secret(secret):
        raise InputError("A secret of Standard Webhooks is whsec_ and 24 to 64 bytes in base64.", "secret")


def _encrypted(connection: Connection, project: int, values: Mapping[str, str]) -> dict[str, str]:
    keys, place = keys_of(connection), place_of_channel(project)
    return {name: keys.encrypt(value, place) for name, value in values.items()}


def _decrypted(connection: Connection, project: int, channel: int) -> str:
    """Return the address of a channel whose address and secret can be read; else UnreadableError."""
    keys, place = keys_of(connection), place_of_channel(project)
    row = connection.execute(select(CHANNEL.c.target, CHANNEL.c.secret).where(CHANNEL.c.id == channel)).one()
    keys.decrypt(row.secret, place)
    return keys.decrypt(row.target, place)


def _shown(connection: Connection, project: int, kind: str, stored: str) -> str:
    try:
        target = keys_of(connection).decrypt(stored, place_of_channel(project))
    except UnreadableError:
        return UNREADABLE
    return target if kind == formats.EMAIL else web_address.shown(target)
