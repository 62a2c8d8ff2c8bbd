"""The names of projects: listing, adding and finding them."""

import re
import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from ledger.accounts.errors import InputError
from ledger.accounts.tables import PROJECT

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
NAME_RULE: Final = (
    "A project's name is the one that Compose gives it: 1 to 63 lower-case letters, digits, dots, dashes or "
    "underscores, beginning with a letter or digit."
)


def names(connection: Connection) -> list[str]:
    """Return the names of all projects, sorted."""
    return list(connection.scalars(select(PROJECT.c.name).order_by(PROJECT.c.name)))


def add(connection: Connection, name: str, now: datetime) -> None:
    """Add a project; InputError when the name is not valid or in use."""
    if not NAME.fullmatch(name):
        raise InputError(NAME_RULE, "name")
    values = {"name": name, "created": now, "badge_key": secrets.token_hex(16)}
    try:
        connection.execute(insert(PROJECT).values(values))
    except IntegrityError as error:
        raise InputError(f"There is a project {name} already.", "name") from error


def number(connection: Connection, name: str) -> int:
    """Return a project's id; InputError when there is none of this name."""
    found: int | None = connection.scalar(select(PROJECT.c.id).where(PROJECT.c.name == name))
    if found is None:
        raise InputError(f"There is no project {name}.", "project")
    return found
