"""The front page, login, logout, and the page to change one's password."""

import math
from typing import Final

from flask import Blueprint, g, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ledger import clock as ledger_clock
from ledger.accounts import audit, cookies, rate_limit, sessions, users
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import engine, identify
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import BusyError, InputError, RateLimitedError
from ledger.accounts.forms import field, passwords, query, rate_limited, render_page, run_audited
from ledger.accounts.passwords import check_new_password
from ledger.accounts.rate_limit import Bucket
from ledger.accounts.safe_redirect import safe_path
from ledger.accounts.users import Account
from ledger.authorization import Access, principal, requires
from ledger.content_negotiation import prefers_json
from ledger.database import transaction

bp = Blueprint("login", __name__, template_folder="templates")

WRONG_CREDENTIALS: Final = "There is no account with this name and this password."
ANONYMOUS: Final = "nobody"


@bp.get("/")
@requires(Access.PUBLIC)
def front() -> ResponseReturnValue:
    """Show the login form to an anonymous browser; redirect a logged-in user to the projects."""
    if cookies.received(Cookie.SESSION) and identify():
        return redirect("/projects")
    answer = jsonify(status="up") if prefers_json() else render_page("login.html", next="/")
    answer.vary.update(("Accept", "Cookie"))
    return answer


@bp.get("/login")
@requires(Access.PUBLIC)
def login() -> ResponseReturnValue:
    """Show the login form."""
    next_path = safe_path(request.args.get("next"))
    if cookies.received(Cookie.SESSION) and identify():
        return redirect(next_path)
    return render_page("login.html", next=next_path)


@bp.post("/login")
@requires(Access.PUBLIC)
def submit_login() -> ResponseReturnValue:
    """Start a session if the password is right."""
    name, password, next_path = (
        users.normalize_name(field("name")),
        request.form.get("password", ""),
        safe_path(field("next")),
    )
    device = query(lambda c: sessions.find_device(c, name, cookies.received(Cookie.DEVICE), ledger_clock.now()))
    counted = rate_limit.buckets(name, request.remote_addr, device)
    try:
        account = _check_credentials(name, password, counted, InputError(WRONG_CREDENTIALS, "name"))
        return _start_session(account, password, counted, next_path)
    except InputError as refused:
        return render_page("login.html", refused, next=next_path)
    except RateLimitedError as wait:
        return rate_limited(wait, "login.html", "name", next=next_path)


@bp.post("/logout")
@requires(Access.USER)
def logout() -> ResponseReturnValue:
    """End the session of this browser."""
    run_audited(AuditEvent.LOGOUT, principal().name, lambda c: sessions.end(c, cookies.received(Cookie.SESSION)))
    response = redirect(url_for("login.front"), 303)
    cookies.expire(response, Cookie.SESSION)
    return response


@bp.get("/account")
@requires(Access.USER)
def account() -> ResponseReturnValue:
    """Show the form to change one's password."""
    return render_page("account.html")


@bp.post("/account")
@requires(Access.USER)
def change_password() -> ResponseReturnValue:
    """Change one's own password; every session ends, and this browser gets a new one."""
    name, new = principal().name, request.form.get("new", "")
    counted = rate_limit.own_buckets(name)
    try:
        check_new_password(new, request.form.get("again", ""), name)
        _check_credentials(
            name, request.form.get("password", ""), counted, InputError("This is not your password.", "password")
        )
    except InputError as refused:
        return render_page("account.html", refused)
    except RateLimitedError as wait:
        return rate_limited(wait, "account.html", "password")
    hashed, now = passwords().hashed(new), ledger_clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        rate_limit.reset_after_success(connection, counted)
        users.set_password(connection, g.session.account, hashed)
        return _new_session(connection, g.session.account)

    given = run_audited(AuditEvent.PASSWORD, name, work)
    return _with_session(redirect(url_for("login.account", changed=now.strftime("%H%M%S")), 303), *given)


def _check_credentials(name: str, password: str, counted: tuple[Bucket, ...], refused: InputError) -> Account:
    """Return the account if this is its password, else raise `refused`; RateLimitedError when it is too early."""
    pause = transaction(engine(), lambda c: rate_limit.count_attempt(c, counted, ledger_clock.now()))
    if pause:
        raise RateLimitedError(math.ceil(pause))
    found = query(lambda c: users.by_name(c, name))
    try:
        is_right = passwords().matches(found.password if found else None, password)
    except BusyError:
        transaction(engine(), lambda c: rate_limit.uncount_attempt(c, counted))
        raise
    if found and is_right and not found.disabled:
        return found
    who = principal().name if g.get("session") else ANONYMOUS
    run_audited(AuditEvent.REFUSAL, found.name if found else "a name that no account has", lambda _: None, who=who)
    raise refused


def _start_session(account: Account, password: str, counted: tuple[Bucket, ...], next_path: str) -> ResponseReturnValue:
    fresh = passwords().hashed(password) if passwords().is_outdated(account.password) else None
    old, now = cookies.received(Cookie.SESSION), ledger_clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        users.lock_unchanged(connection, account)
        rate_limit.reset_after_success(connection, counted)
        sessions.end(connection, old)
        if fresh:
            users.rehash(connection, account.id, fresh)
        for store in (rate_limit, sessions, audit):
            store.delete_expired(connection, now)
        return _new_session(connection, account.id)

    given = run_audited(AuditEvent.LOGIN, account.name, work, who=account.name)
    return _with_session(redirect(next_path, 303), *given)


def _new_session(connection: Connection, account: int) -> tuple[str, str]:
    now = ledger_clock.now()
    sessions.delete_device_token(connection, cookies.received(Cookie.DEVICE))  # the new token replaces it
    return sessions.create(connection, account, now), sessions.create_device_token(connection, account, now)


def _with_session(response: Response, session: str, device: str) -> Response:
    cookies.send(response, Cookie.SESSION, session)
    cookies.send(response, Cookie.DEVICE, device)
    cookies.expire(response, Cookie.VISITOR)
    return response
