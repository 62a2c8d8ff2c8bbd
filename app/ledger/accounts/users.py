"""Accounts, and the projects that each may read.

Rules: a name is never reused for somebody else, so an account is disabled, not deleted, and the audit log stays true.
There is always an administrator who can log in, once there has been one.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ledger.accounts.errors import InputError
from ledger.accounts.tables import ACCOUNT, DEVICE, MEMBERSHIP, PROJECT, SESSION

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,62}")
NAME_RULE: Final = (
    "A name has 1 to 63 small letters, digits, dots, dashes, @ or underscores, and begins with a letter or digit."
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can log in."""

    id: int
    name: str
    password: str
    is_administrator: bool
    created: datetime
    disabled: datetime | None
    reads: tuple[str, ...] = ()


def normalize_name(name: str) -> str:
    """Return a name as it is kept, however it was typed."""
    return name.strip().lower()


def by_name(connection: Connection, name: str) -> Account | None:
    """Return the account of this name; without what it reads, which nobody needs who logs in."""
    if not NAME.fullmatch(name):
        return None
    found = connection.execute(select(ACCOUNT).where(ACCOUNT.c.name == name)).one_or_none()
    return _account(found) if found else None


def lock_unchanged(connection: Connection, account: Account) -> None:
    """Keep an account as it was when its password was looked at; refuse if it was changed since."""
    found = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account.id).with_for_update()).one()
    if found.disabled or found.password != account.password:
        raise InputError("This account was changed a moment ago. Try again.", "name")


def all_accounts(connection: Connection) -> list[Account]:
    """Return all accounts with what they read, by name."""
    pairs = select(MEMBERSHIP.c.account_id, PROJECT.c.name).join(PROJECT, PROJECT.c.id == MEMBERSHIP.c.project_id)
    reads: dict[int, list[str]] = {}
    for account, project in connection.execute(pairs.order_by(PROJECT.c.name)):
        reads.setdefault(account, []).append(project)
    rows = connection.execute(select(ACCOUNT).order_by(ACCOUNT.c.name))
    return [_account(row, tuple(reads.get(row.id, ()))) for row in rows]


def get_account(connection: Connection, name: str) -> Account:
    """Return the account of this name with what it reads."""
    found = next((account for account in all_accounts(connection) if account.name == name), None)
    if found is None:
        raise InputError(f"There is no account {name}.", "name")
    return found


def add(connection: Connection, name: str, password: str, *, is_administrator: bool, now: datetime) -> int:
    """Add an account with this hash of a password, and return its id."""
    if not NAME.fullmatch(name):
        raise InputError(NAME_RULE, "name")
    values = {"name": name, "password": password, "is_administrator": is_administrator, "created": now}
    try:
        return int(connection.execute(insert(ACCOUNT).values(values)).inserted_primary_key[0])  # type: ignore[index]
    except IntegrityError as error:
        raise InputError(f"There is an account {name} already.", "name") from error


def set_password(connection: Connection, account: int, password: str) -> None:
    """Replace the hash; whoever is logged in with the old password is not any more."""
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(password=password))
    _end_sessions(connection, account)


def rehash(connection: Connection, account: int, password: str) -> None:
    """Replace the hash by another one of the same password."""
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(password=password))


def set_role(connection: Connection, account: int, *, is_administrator: bool, disabled: datetime | None) -> None:
    """Say whether an account administers, and whether it may log in at all."""
    others = administrators(connection) - {account}
    if not others and (disabled or not is_administrator):
        raise InputError("This is the last administrator: make another one first.", "is_administrator")
    values = {"is_administrator": is_administrator, "disabled": disabled}
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(values))
    if disabled:
        _end_sessions(connection, account)


def administrators(connection: Connection) -> set[int]:
    """Return who administers and can log in; nobody becomes one or stops being one before the transaction ends."""
    found = select(ACCOUNT.c.id).where(ACCOUNT.c.is_administrator, ACCOUNT.c.disabled.is_(None))
    return set(connection.scalars(found.with_for_update()))


def is_empty(connection: Connection) -> bool:
    """Tell whether nobody has an account."""
    return not connection.scalar(select(func.count()).select_from(ACCOUNT))


def set_readable_projects(connection: Connection, account: int, projects: Collection[str]) -> None:
    """Let an account read these projects and no other."""
    found = select(PROJECT.c.name, PROJECT.c.id).where(PROJECT.c.name.in_(projects))
    ids = {row.name: row.id for row in connection.execute(found)}
    for missing in sorted(set(projects) - set(ids)):
        raise InputError(f"There is no project {missing}.", "projects")
    connection.execute(delete(MEMBERSHIP).where(MEMBERSHIP.c.account_id == account))
    if ids:
        rows = [{"account_id": account, "project_id": project} for project in ids.values()]
        connection.execute(insert(MEMBERSHIP), rows)


def _end_sessions(connection: Connection, account: int) -> None:
    for table in (SESSION, DEVICE):
        connection.execute(delete(table).where(table.c.account_id == account))


def _account(row: Row[tuple[object, ...]], reads: tuple[str, ...] = ()) -> Account:
    values = row._asdict() | {"is_administrator": bool(row.is_administrator)}
    return Account(**values, reads=reads)
