"""Pages for every user: one's own password and sessions."""

from flask import Blueprint, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import cookies, identities, rate_limit, sessions, users
from ledger.accounts.audit import AuditEvent
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import InputError, RateLimitedError
from ledger.accounts.forms import passwords, query, rate_limited, render_page, run_audited
from ledger.accounts.login_flow import check_credentials, new_session, with_session
from ledger.accounts.passwords import check_new_password
from ledger.authorization import Access, principal, requires
from ledger.oidc_settings import OidcSettings

bp = Blueprint("account", __name__, url_prefix="/account", template_folder="templates")


@bp.get("")
@requires(Access.SETUP)
def show() -> ResponseReturnValue:
    """Show the form to change one's password, and the link to the OpenID provider."""
    return render_page("account.html", linked_subject=_linked_subject())


@bp.post("")
@requires(Access.SETUP)
def change_password() -> ResponseReturnValue:
    """Change one's own password; every session ends, and this browser gets a new one."""
    name, old, new = principal().name, request.form.get("password", ""), request.form.get("new", "")
    counted = rate_limit.own_buckets(name)
    try:
        check_new_password(new, request.form.get("again", ""), name, current=old)
        check_credentials(name, old, counted, InputError("This is not your password.", "password"))
    except InputError as refused:
        return render_page("account.html", refused, linked_subject=_linked_subject())
    except RateLimitedError as wait:
        return rate_limited(wait, "account.html", "password", linked_subject=_linked_subject())
    hashed, now = passwords().hashed(new), ledger_clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        rate_limit.reset_after_success(connection, counted)
        users.set_password(connection, g.session.account, hashed)
        return new_session(connection, g.session.account)

    given = run_audited(AuditEvent.PASSWORD, name, work)
    return with_session(redirect(url_for("account.show", changed=now.strftime("%H%M%S")), 303), *given)


@bp.get("/sessions")
@requires(Access.USER)
def list_sessions() -> ResponseReturnValue:
    """Show the sessions of one's own account."""
    return _show_sessions()


@bp.post("/sessions/end")
@requires(Access.USER)
def end_session() -> ResponseReturnValue:
    """End one of one's own sessions."""
    listed, account = request.form.get("session", ""), g.session.account

    def work(connection: Connection) -> None:
        if not sessions.end_listed(connection, account, listed):
            raise InputError("This session has ended already.")

    try:
        run_audited(AuditEvent.SESSION_END, principal().name, work)
    except InputError as refused:
        return _show_sessions(refused)
    return redirect(url_for("account.list_sessions", ended=1), 303)


@bp.post("/sessions/end-others")
@requires(Access.USER)
def end_other_sessions() -> ResponseReturnValue:
    """End every other session of one's own account, and forget the other browsers."""

    def work(connection: Connection) -> int:
        sessions.delete_other_device_tokens(connection, g.session.account, cookies.received(Cookie.DEVICE))
        return sessions.end_others(connection, g.session)

    ended = run_audited(AuditEvent.SESSION_END, f"{principal().name}: all others", work)
    return redirect(url_for("account.list_sessions", ended=ended), 303)


@bp.post("/sessions/end-all")
@requires(Access.SETUP)
def end_all_sessions() -> ResponseReturnValue:
    """Log out everywhere: end every session of one's own account, this one too, and forget every browser."""
    account = g.session.account
    run_audited(
        AuditEvent.SESSION_END, f"{principal().name}: all", lambda connection: users.end_sessions(connection, account)
    )
    response = redirect(url_for("login.front"), 303)
    for cookie in (Cookie.SESSION, Cookie.DEVICE):
        cookies.expire(response, cookie)
    return response


def _linked_subject() -> str | None:
    """Return the subject at the OpenID provider that one's own account is linked to, or None."""
    oidc: OidcSettings | None = current_app.config["SETTINGS"].oidc
    return query(lambda c: identities.subject_of(c, g.session.account, oidc.issuer)) if oidc else None


def _show_sessions(refused: InputError | None = None) -> ResponseReturnValue:
    found = query(lambda connection: sessions.of_account(connection, g.session.account, ledger_clock.now()))
    ended = request.args.get("ended", type=int)
    return render_page("sessions.html", refused, sessions=found, current=g.session.hash.hex(), ended=ended)
