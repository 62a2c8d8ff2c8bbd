"""Identities of the OpenID provider and the accounts that they belong to.

Rules:
- An identity is found by issuer and subject, never by a name that can change hands.
- An identity without an account finds one by the rule of LEDGER_OIDC_ACCOUNT, and is linked to it from then on. The
  rule `email` needs an address that the provider has verified.
- An account has one identity of a provider. So an address or a name that the provider gives to another person opens no
  account of the person before.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ledger.accounts import users
from ledger.accounts.errors import InputError
from ledger.accounts.oidc import Identity
from ledger.accounts.tables import ACCOUNT, IDENTITY
from ledger.accounts.users import Account
from ledger.oidc_settings import OidcSettings

NO_PASSWORD: Final = "!"  # noqa: S105 - not the hash of any password
NOT_LINKED: Final = (
    "This login belongs to no account of this ledger yet. Log in with your password and link it under your name, or "
    "ask an administrator."
)


def find(connection: Connection, issuer: str, subject: str) -> Account | None:
    """Return the account that an identity is linked to, or None."""
    found = (
        select(ACCOUNT.c.name)
        .join(IDENTITY, ACCOUNT.c.id == IDENTITY.c.account_id)
        .where(IDENTITY.c.issuer == issuer, IDENTITY.c.subject == subject)
    )
    name = connection.scalar(found)
    return users.by_name(connection, name) if name else None


def subject_of(connection: Connection, account: int, issuer: str) -> str | None:
    """Return the subject of a provider that an account is linked to, or None."""
    mine = (IDENTITY.c.account_id == account) & (IDENTITY.c.issuer == issuer)
    subject: str | None = connection.scalar(select(IDENTITY.c.subject).where(mine))
    return subject


def resolve(connection: Connection, settings: OidcSettings, identity: Identity, now: datetime) -> tuple[Account, bool]:
    """Return the account of an identity, and whether it was linked or added now; InputError when there is none."""
    found = find(connection, identity.issuer, identity.subject)
    if found:
        return _enabled(found), False
    name = _name_by_rule(settings, identity)
    known = users.by_name(connection, name)
    if known:
        account = _enabled(known)
    elif settings.creates_accounts:
        users.add(connection, name, NO_PASSWORD, is_administrator=False, now=now)
        account = users.get_account(connection, name)
    else:
        raise InputError(f"There is no account {name} in this ledger. Ask an administrator to add it.")
    link(connection, account.id, identity.issuer, identity.subject, now)
    return account, True


def link(connection: Connection, account: int, issuer: str, subject: str, now: datetime) -> None:
    """Link an identity to an account; InputError when one of both is linked already."""
    values = {"account_id": account, "issuer": issuer, "subject": subject, "created": now}
    try:
        connection.execute(insert(IDENTITY).values(values))
    except IntegrityError as error:
        raise InputError(
            "The account is linked to another login already, or the login to another account. Remove that link first."
        ) from error


def unlink(connection: Connection, account: int, issuer: str) -> bool:
    """Remove the link of an account to a provider; return whether there was one."""
    mine = (IDENTITY.c.account_id == account) & (IDENTITY.c.issuer == issuer)
    return bool(connection.execute(delete(IDENTITY).where(mine)).rowcount)


def _name_by_rule(settings: OidcSettings, identity: Identity) -> str:
    """Return the name of the account that the rule leads to; InputError when it leads to none."""
    if settings.account_rule == "linked":
        raise InputError(NOT_LINKED)
    if settings.account_rule == "email" and not identity.is_email_verified:
        raise InputError("The login provider has not verified your e-mail address, so it opens no account.")
    given = identity.email if settings.account_rule == "email" else identity.preferred_username
    name = users.normalize_name(given)
    if not users.NAME.fullmatch(name):
        raise InputError(f"The login provider gives no {settings.account_rule} that can be the name of an account.")
    return name


def _enabled(account: Account) -> Account:
    if account.disabled:
        raise InputError("This account is disabled. Ask an administrator.")
    return account
