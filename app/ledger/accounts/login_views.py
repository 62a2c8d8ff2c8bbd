"""The front page, login and logout."""

from typing import Final

from flask import Blueprint, abort, current_app, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ledger import clock as ledger_clock
from ledger.accounts import cookies, rate_limit, sessions, users
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import identify
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import InputError, RateLimitedError
from ledger.accounts.forms import field, query, rate_limited, render_page, run_audited
from ledger.accounts.login_flow import after_first_step, check_credentials
from ledger.accounts.safe_redirect import safe_path
from ledger.authorization import Access, principal, requires
from ledger.content_negotiation import prefers_json
from ledger.oidc_settings import OidcSettings

bp = Blueprint("login", __name__, template_folder="templates")

WRONG_CREDENTIALS: Final = "There is no account with this name and this password."


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
    oidc: OidcSettings | None = current_app.config["SETTINGS"].oidc
    if oidc is not None and oidc.is_only_login:
        abort(403, f"Passwords open nothing here. Log in with {oidc.name}.")
    name, password, next_path = (
        users.normalize_name(field("name")),
        request.form.get("password", ""),
        safe_path(field("next")),
    )
    device = query(lambda c: sessions.find_device(c, name, cookies.received(Cookie.DEVICE), ledger_clock.now()))
    counted = rate_limit.buckets(name, request.remote_addr, device)
    try:
        account = check_credentials(name, password, counted, InputError(WRONG_CREDENTIALS, "name"))
        return after_first_step(account, counted, next_path)
    except InputError as refused:
        return render_page("login.html", refused, next=next_path)
    except RateLimitedError as wait:
        return rate_limited(wait, "login.html", "name", next=next_path)


@bp.post("/logout")
@requires(Access.SETUP)
def logout() -> ResponseReturnValue:
    """End the session of this browser."""
    run_audited(AuditEvent.LOGOUT, principal().name, lambda c: sessions.end(c, cookies.received(Cookie.SESSION)))
    response = redirect(url_for("login.front"), 303)
    cookies.expire(response, Cookie.SESSION)
    return response
