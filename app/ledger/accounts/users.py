"""Accounts, and the projects that each may read.

Rules: an account is disabled, never deleted, so that its name is not reused and the audit log stays unambiguous. The
last administrator who can log in cannot be disabled or lose the role.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ledger.accounts.audit import AuditEvent
from ledger.accounts.errors import InputError
from ledger.accounts.tables import (
    ACCOUNT,
    AUDIT,
    DEVICE,
    MEMBERSHIP,
    PENDING_LOGIN,
    PROJECT,
    SECOND_FACTOR,
    SESSION,
)

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,62}")
NAME_RULE: Final = (
    "A name has 1 to 63 lower-case letters, digits, dots, dashes, @ or underscores, and begins with a letter or digit."
)


@dataclass(frozen=True, slots=True)
class Account:
    """A user account; `password` is the hash."""

    id: int
    name: str
    password: str
    is_administrator: bool
    created: datetime
    disabled: datetime | None
    must_change_password: bool
    reads: tuple[str, ...] = ()
    has_second_factor: bool = False
    last_login: datetime | None = None


def normalize_name(name: str) -> str:
    """Return a name as it is stored: without spaces around it, in lower case."""
    return name.strip().lower()


def by_name(connection: Connection, name: str) -> Account | None:
    """Return the account of this name without its projects, which a login does not need; None when there is none."""
    if not NAME.fullmatch(name):
        return None
    found = connection.execute(select(ACCOUNT).where(ACCOUNT.c.name == name)).one_or_none()
    return _account(found) if found else None


def lock_unchanged(connection: Connection, account: Account) -> None:
    """Lock the row of an account; InputError when it has changed since its password was checked."""
    found = connection.execute(select(ACCOUNT).where(ACCOUNT.c.id == account.id).with_for_update()).one()
    if found.disabled or found.password != account.password:
        raise InputError("This account was changed a moment ago. Try again.", "name")


def all_accounts(connection: Connection) -> list[Account]:
    """Return all accounts with their readable projects, sorted by name."""
    pairs = select(MEMBERSHIP.c.account_id, PROJECT.c.name).join(PROJECT, PROJECT.c.id == MEMBERSHIP.c.project_id)
    reads: dict[int, list[str]] = {}
    for account, project in connection.execute(pairs.order_by(PROJECT.c.name)):
        reads.setdefault(account, []).append(project)
    confirmed = select(SECOND_FACTOR.c.account_id).where(SECOND_FACTOR.c.confirmed.is_not(None))
    with_second_factor, logins = set(connection.scalars(confirmed)), _last_logins(connection)
    return [
        replace(
            _account(row, tuple(reads.get(row.id, ()))),
            has_second_factor=row.id in with_second_factor,
            last_login=logins.get(row.name),
        )
        for row in connection.execute(select(ACCOUNT).order_by(ACCOUNT.c.name))
    ]


def _last_logins(connection: Connection) -> dict[str, datetime]:
    """Return when each user last logged in: the audit log keeps every login for ever, while sessions are deleted."""
    found = select(AUDIT.c.who, func.max(AUDIT.c.at)).where(AUDIT.c.what == AuditEvent.LOGIN.value)
    return {row[0]: row[1] for row in connection.execute(found.group_by(AUDIT.c.who))}


def get_account(connection: Connection, name: str) -> Account:
    """Return the account of this name with its readable projects; InputError when there is none."""
    found = next((account for account in all_accounts(connection) if account.name == name), None)
    if found is None:
        raise InputError(f"There is no account {name}.", "name")
    return found


def add(  # noqa: PLR0913 - each is a property of the account
    connection: Connection,
    name: str,
    password: str,
    *,
    is_administrator: bool,
    now: datetime,
    must_change_password: bool = False,
) -> int:
    """Add an account with the hash of its password, and return its id.

    `must_change_password`: somebody else has seen the password, so its owner chooses another one at the first login.
    """
    if not NAME.fullmatch(name):
        raise InputError(NAME_RULE, "name")
    values = {
        "name": name,
        "password": password,
        "is_administrator": is_administrator,
        "created": now,
        "must_change_password": must_change_password,
    }
    try:
        return int(connection.execute(insert(ACCOUNT).values(values)).inserted_primary_key[0])  # type: ignore[index]
    except IntegrityError as error:
        raise InputError(f"There is an account {name} already.", "name") from error


def set_password(connection: Connection, account: int, password: str, *, must_change_password: bool = False) -> None:
    """Set the hash of a new password, and end every session of the account."""
    values = {"password": password, "must_change_password": must_change_password}
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(values))
    end_sessions(connection, account)


def rehash(connection: Connection, account: int, password: str) -> None:
    """Replace the hash by one of the same password with current parameters."""
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(password=password))


def set_role(connection: Connection, account: int, *, is_administrator: bool, disabled: datetime | None) -> None:
    """Set the role of an account and since when it is disabled; InputError for the last administrator."""
    others = administrators(connection) - {account}
    if not others and (disabled or not is_administrator):
        raise InputError("This is the last administrator: give another account the role first.", "is_administrator")
    values = {"is_administrator": is_administrator, "disabled": disabled}
    connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(values))
    if disabled:
        end_sessions(connection, account)


def administrators(connection: Connection) -> set[int]:
    """Return the ids of administrators who can log in, and lock their rows until the transaction ends."""
    found = select(ACCOUNT.c.id).where(ACCOUNT.c.is_administrator, ACCOUNT.c.disabled.is_(None))
    return set(connection.scalars(found.with_for_update()))


def is_empty(connection: Connection) -> bool:
    """Return whether there is no account."""
    return not connection.scalar(select(func.count()).select_from(ACCOUNT))


def set_readable_projects(connection: Connection, account: int, projects: Collection[str]) -> None:
    """Set the projects that an account may read; InputError for a project that does not exist."""
    found = select(PROJECT.c.name, PROJECT.c.id).where(PROJECT.c.name.in_(projects))
    ids = {row.name: row.id for row in connection.execute(found)}
    for missing in sorted(set(projects) - set(ids)):
        raise InputError(f"There is no project {missing}.", "projects")
    connection.execute(delete(MEMBERSHIP).where(MEMBERSHIP.c.account_id == account))
    if ids:
        rows = [{"account_id": account, "project_id": project} for project in ids.values()]
        connection.execute(insert(MEMBERSHIP), rows)


def end_sessions(connection: Connection, account: int) -> None:
    """End every session of an account, and forget the browsers that it has logged in from."""
    for table in (SESSION, DEVICE, PENDING_LOGIN):
        connection.execute(delete(table).where(table.c.account_id == account))


def _account(row: Row[tuple[object, ...]], reads: tuple[str, ...] = ()) -> Account:
    flags = {name: bool(getattr(row, name)) for name in ("is_administrator", "must_change_password")}
    values = row._asdict() | flags
    return Account(**values, reads=reads)
