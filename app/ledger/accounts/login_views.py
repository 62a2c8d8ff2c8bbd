"""The front page, logging in, logging out, and one's own password."""

import math
from typing import Final

from flask import Blueprint, g, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ledger import clock as ledger_clock
from ledger.accounts import audit, cookies, rate_limit, sessions, users
from ledger.accounts.audit import Deed
from ledger.accounts.authentication import engine, identify
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import Busy, Refused, TooSoon
from ledger.accounts.forms import act, ask, field, page, passwords, too_soon
from ledger.accounts.passwords import acceptable
from ledger.accounts.rate_limit import Bucket
from ledger.accounts.safe_redirect import safe
from ledger.accounts.users import Account
from ledger.authorization import Demand, demands, principal
from ledger.content_negotiation import prefers_json
from ledger.database import transaction

bp = Blueprint("entrance", __name__, template_folder="templates")

WRONG: Final = "There is no account with this name and this password."
NOBODY: Final = "nobody"


@bp.get("/")
@demands(Demand.NOTHING)
def front() -> ResponseReturnValue:
    """Tell a stranger that the service is up, and nothing else; lead everybody else to the projects."""
    if cookies.given(Cookie.SESSION) and identify():
        return redirect("/projects")
    up = jsonify(status="up") if prefers_json() else page("front.html")
    up.vary.update(("Accept", "Cookie"))
    return up


@bp.get("/login")
@demands(Demand.NOTHING)
def login() -> ResponseReturnValue:
    """Show the form."""
    way = safe(request.args.get("next"))
    if cookies.given(Cookie.SESSION) and identify():
        return redirect(way)
    return page("login.html", next=way)


@bp.post("/login")
@demands(Demand.NOTHING)
def log_in() -> ResponseReturnValue:
    """Begin a session for who knows the password."""
    name, password, way = users.plain(field("name")), request.form.get("password", ""), safe(field("next"))
    device = ask(lambda c: sessions.knows(c, name, cookies.given(Cookie.DEVICE), ledger_clock.now()))
    counted = rate_limit.buckets(name, request.remote_addr, device)
    try:
        account = _proven(name, password, counted, Refused(WRONG, "name"))
        return _begin(account, password, counted, way)
    except Refused as refused:
        return page("login.html", refused, next=way)
    except TooSoon as wait:
        return too_soon(wait, "login.html", "name", next=way)


@bp.post("/logout")
@demands(Demand.PERSON)
def logout() -> ResponseReturnValue:
    """End the session."""
    act(Deed.LOGOUT, principal().name, lambda c: sessions.end(c, cookies.given(Cookie.SESSION)))
    response = redirect(url_for("entrance.front"), 303)
    cookies.take(response, Cookie.SESSION)
    return response


@bp.get("/account")
@demands(Demand.PERSON)
def account() -> ResponseReturnValue:
    """Show the form for one's own password."""
    return page("account.html")


@bp.post("/account")
@demands(Demand.PERSON)
def change_password() -> ResponseReturnValue:
    """Change one's own password; every session ends, and this browser gets a new one."""
    name, new = principal().name, request.form.get("new", "")
    counted = rate_limit.own(name)
    try:
        acceptable(new, request.form.get("again", ""), name)
        _proven(name, request.form.get("password", ""), counted, Refused("This is not your password.", "password"))
    except Refused as refused:
        return page("account.html", refused)
    except TooSoon as wait:
        return too_soon(wait, "account.html", "password")
    hashed, now = passwords().hashed(new), ledger_clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        rate_limit.forgive(connection, counted)
        users.give_password(connection, g.session.account, hashed)
        return _known(connection, g.session.account)

    given = act(Deed.PASSWORD, name, work)
    return _with_session(redirect(url_for("entrance.account", changed=now.strftime("%H%M%S")), 303), *given)


def _proven(name: str, password: str, counted: tuple[Bucket, ...], refused: Refused) -> Account:
    """Return the account if this is its password, else raise `refused`; TooSoon for who has to wait."""
    pause = transaction(engine(), lambda c: rate_limit.admit(c, counted, ledger_clock.now()))
    if pause:
        raise TooSoon(math.ceil(pause))
    found = ask(lambda c: users.by_name(c, name))
    try:
        is_right = passwords().matches(found.password if found else None, password)
    except Busy:
        transaction(engine(), lambda c: rate_limit.take_back(c, counted))
        raise
    if found and is_right and not found.disabled:
        return found
    who = principal().name if g.get("session") else NOBODY
    act(Deed.REFUSAL, found.name if found else "a name that no account has", lambda _: None, who=who)
    raise refused


def _begin(account: Account, password: str, counted: tuple[Bucket, ...], way: str) -> ResponseReturnValue:
    fresh = passwords().hashed(password) if passwords().is_outdated(account.password) else None
    old, now = cookies.given(Cookie.SESSION), ledger_clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        users.hold(connection, account)
        rate_limit.forgive(connection, counted)
        sessions.end(connection, old)
        if fresh:
            users.rehash(connection, account.id, fresh)
        for room in (rate_limit, sessions, audit):
            room.forget(connection, now)
        return _known(connection, account.id)

    given = act(Deed.LOGIN, account.name, work, who=account.name)
    return _with_session(redirect(way, 303), *given)


def _known(connection: Connection, account: int) -> tuple[str, str]:
    now = ledger_clock.now()
    sessions.unmark(connection, cookies.given(Cookie.DEVICE))  # the new mark takes its place
    return sessions.begin(connection, account, now), sessions.mark(connection, account, now)


def _with_session(response: Response, session: str, device: str) -> Response:
    cookies.give(response, Cookie.SESSION, session)
    cookies.give(response, Cookie.DEVICE, device)
    cookies.take(response, Cookie.VISITOR)
    return response
