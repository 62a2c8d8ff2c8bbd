"""The steps of a login: the password is checked, a session starts, and the browser gets its cookies."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from flask import g, redirect, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ledger import clock as ledger_clock
from ledger.accounts import audit, cookies, pending_logins, provider_logins, rate_limit, second_factor, sessions, users
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import engine
from ledger.accounts.browser_names import browser_name
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import BusyError, InputError, RateLimitedError
from ledger.accounts.forms import passwords, query, run_audited
from ledger.accounts.rate_limit import Bucket
from ledger.accounts.users import Account
from ledger.authorization import principal
from ledger.database import transaction

ANONYMOUS: Final = "nobody"


def check_credentials(name: str, password: str, counted: tuple[Bucket, ...], refused: InputError) -> Account:
    """Return the account if this is its password, else raise `refused`; RateLimitedError when it is too early."""
    count_attempt(counted)
    found = query(lambda c: users.by_name(c, name))
    try:
        is_right = passwords().matches(found.password if found else None, password)
    except BusyError:
        transaction(engine(), lambda c: rate_limit.uncount_attempt(c, counted))
        raise
    if found and is_right and not found.disabled:
        return _rehashed(found, password)
    record_refusal(found)
    raise refused


def record_refusal(account: Account | None) -> None:
    """Write a refused login to the audit log."""
    who = principal().name if g.get("session") else ANONYMOUS
    about = account.name if account else "a name that no account has"
    run_audited(AuditEvent.REFUSAL, about, lambda _: None, who=who)


def count_attempt(counted: tuple[Bucket, ...]) -> None:
    """Count an attempt before it is checked; RateLimitedError when it is too early."""
    pause = transaction(engine(), lambda c: rate_limit.count_attempt(c, counted, ledger_clock.now()))
    if pause:
        raise RateLimitedError(math.ceil(pause))


def after_first_step(
    account: Account, counted: tuple[Bucket, ...], next_path: str, *, is_by_provider: bool = False
) -> Response:
    """Start a session, or ask for a code if the account has a second factor."""
    if not query(lambda c: second_factor.is_on(c, account.id)):
        return start_session(account, counted, next_path, is_by_provider=is_by_provider)

    def work(connection: Connection) -> str:
        users.lock_unchanged(connection, account)
        return pending_logins.create(connection, account.id, ledger_clock.now())

    given = transaction(engine(), work)
    response = redirect(url_for("second_factor.ask", next=next_path), 303)
    cookies.send(response, Cookie.LOGIN, given)
    return response


def start_session(
    account: Account,
    counted: tuple[Bucket, ...],
    next_path: str,
    last_step: Callable[[Connection], None] = lambda _: None,
    *,
    is_by_provider: bool = False,
) -> Response:
    """Start a session after the last step of a login, and lead the browser to a page; `last_step` may refuse it."""
    old, now = cookies.received(Cookie.SESSION), ledger_clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        users.lock_unchanged(connection, account)
        last_step(connection)
        rate_limit.reset_after_success(connection, counted)
        sessions.end(connection, old)
        for store in (rate_limit, sessions, pending_logins, provider_logins, audit):
            store.delete_expired(connection, now)
        return new_session(connection, account.id, is_by_provider=is_by_provider)

    about = f"{account.name}, at the OpenID provider" if is_by_provider else account.name
    given = run_audited(AuditEvent.LOGIN, about, work, who=account.name)
    return with_session(redirect(next_path, 303), *given)


def new_session(connection: Connection, account: int, *, is_by_provider: bool = False) -> tuple[str, str]:
    """Start a session in this browser, and return its secret and a device token."""
    now = ledger_clock.now()
    sessions.delete_device_token(connection, cookies.received(Cookie.DEVICE))  # the new token replaces it
    session = sessions.create(
        connection,
        account,
        now,
        address=rate_limit.address(request.remote_addr),
        browser=browser_name(request.headers.get("User-Agent", "")),
        is_by_provider=is_by_provider,
    )
    return session, sessions.create_device_token(connection, account, now)


def with_session(response: Response, session: str, device: str) -> Response:
    """Give the browser a session and its device token."""
    cookies.send(response, Cookie.SESSION, session)
    cookies.send(response, Cookie.DEVICE, device)
    cookies.expire(response, Cookie.VISITOR)
    return response


def _rehashed(account: Account, password: str) -> Account:
    """Return the account with a hash of current parameters, which replaces an outdated one."""
    if not passwords().is_outdated(account.password):
        return account
    fresh = passwords().hashed(password)

    def work(connection: Connection) -> None:
        users.lock_unchanged(connection, account)
        users.rehash(connection, account.id, fresh)

    transaction(engine(), work)
    return replace(account, password=fresh)
