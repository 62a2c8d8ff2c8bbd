"""The second step of a login, and the page on which a user sets up and removes the second factor."""

from typing import Final
from urllib.parse import urlsplit

import segno
from flask import Blueprint, Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit, cookies, pending_logins, rate_limit, second_factor, sessions
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import current_actor, engine, needs_second_factor
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import InputError, RateLimitedError
from ledger.accounts.forms import field, query, rate_limited, render_page, run_audited
from ledger.accounts.login_flow import count_attempt, record_refusal, start_session
from ledger.accounts.rate_limit import Bucket
from ledger.accounts.safe_redirect import safe_path
from ledger.accounts.users import Account
from ledger.authorization import Access, principal, requires
from ledger.database import transaction
from ledger.encryption.keys import UnreadableError
from ledger.public_address import public_address

bp = Blueprint("second_factor", __name__, template_folder="templates")

LOGIN_IS_OVER: Final = "This login took too long. Enter your name and password again."


@bp.get("/login/code")
@requires(Access.PUBLIC)
def ask() -> ResponseReturnValue:
    """Show the form for the code, after the first step of a login."""
    if _pending() is None:
        return redirect(url_for("login.login"), 303)
    return render_page("code.html", next=safe_path(request.args.get("next")))


@bp.post("/login/code")
@requires(Access.PUBLIC)
def submit() -> ResponseReturnValue:
    """Start a session if the code is right."""
    account, next_path, code = _pending(), safe_path(field("next")), field("code")
    if account is None:
        return render_page("login.html", InputError(LOGIN_IS_OVER, "name"), next=next_path)
    device = query(lambda c: sessions.find_device(c, account.name, cookies.received(Cookie.DEVICE), ledger_clock.now()))
    counted = rate_limit.code_buckets(account.name, device)
    try:
        count_attempt(counted)
        passwords_counted = rate_limit.buckets(account.name, request.remote_addr, device)
        return _finish(account, code, (*counted, *passwords_counted), next_path)
    except InputError as refused:
        record_refusal(account)
        return render_page("code.html", refused, next=next_path)
    except RateLimitedError as wait:
        return rate_limited(wait, "code.html", "code", next=next_path)


@bp.get("/account/second-factor")
@requires(Access.SETUP)
def show() -> ResponseReturnValue:
    """Show the second factor of one's own account, and the forms to set it up or to remove it."""
    return _show()


@bp.post("/account/second-factor/begin")
@requires(Access.SETUP, recent=True)
def begin() -> ResponseReturnValue:
    """Create a secret and show it, as a QR code and as text."""
    try:
        transaction(engine(), lambda c: second_factor.begin(c, g.session.account, ledger_clock.now()))
    except InputError as refused:
        return _show(refused)
    return redirect(url_for("second_factor.show"), 303)


@bp.post("/account/second-factor/confirm")
@requires(Access.SETUP, recent=True)
def confirm() -> ResponseReturnValue:
    """Switch the second factor on after a first code, and show its recovery codes once."""
    code, counted = field("code"), rate_limit.own_buckets(principal().name)

    def work(connection: Connection) -> list[str]:
        codes = second_factor.confirm(connection, g.session.account, code, ledger_clock.now())
        rate_limit.reset_after_success(connection, counted)
        sessions.end_others(connection, g.session)  # they were started without a code
        return codes

    try:
        count_attempt(counted)
        codes = run_audited(AuditEvent.FACTOR_ON, principal().name, work)
    except InputError as refused:
        return _show(refused)
    except RateLimitedError as wait:
        page = _show(InputError(str(wait), "code"))
        page.status_code = 429
        page.headers["Retry-After"] = str(wait.seconds)
        return page
    return render_page("recovery_codes.html", codes=codes)


@bp.post("/account/second-factor/recovery-codes")
@requires(Access.USER, recent=True)
def replace_recovery_codes() -> ResponseReturnValue:
    """Create new recovery codes, and show them once."""

    def work(connection: Connection) -> list[str]:
        if not second_factor.is_on(connection, g.session.account):
            raise InputError("The second factor is not set up, so it has no recovery codes.")
        return second_factor.replace_recovery_codes(connection, g.session.account)

    try:
        codes = run_audited(AuditEvent.RECOVERY_CODES, principal().name, work)
    except InputError as refused:
        return _show(refused)
    return render_page("recovery_codes.html", codes=codes)


@bp.post("/account/second-factor/remove")
@requires(Access.USER, recent=True)
def remove() -> ResponseReturnValue:
    """Remove one's own second factor, unless this ledger requires one."""
    if needs_second_factor(is_administrator=principal().is_administrator):
        return _show(InputError("This ledger requires a second factor, so it cannot be removed."))
    run_audited(AuditEvent.FACTOR_OFF, principal().name, lambda c: second_factor.remove(c, g.session.account))
    return redirect(url_for("second_factor.show"), 303)


def _pending() -> Account | None:
    given = cookies.received(Cookie.LOGIN)
    return query(lambda c: pending_logins.find(c, given, ledger_clock.now())) if given else None


def _finish(account: Account, code: str, counted: tuple[Bucket, ...], next_path: str) -> ResponseReturnValue:
    """Start the session and use up the code in one transaction; InputError for a wrong code."""
    given, now = cookies.received(Cookie.LOGIN), ledger_clock.now()
    is_recovery = second_factor.is_recovery_code(code)

    def use_code(connection: Connection) -> None:
        if not second_factor.accept(connection, account.id, code, now):
            raise InputError(second_factor.WRONG_CODE, "code")
        if not pending_logins.use(connection, given):
            raise InputError(LOGIN_IS_OVER, "code")
        if is_recovery:
            actor = current_actor(account.name)
            audit.write(connection, actor, AuditEvent.RECOVERY, account.name, now)

    # The user sees how many codes are left.
    response = start_session(account, counted, url_for("second_factor.show") if is_recovery else next_path, use_code)
    cookies.expire(response, Cookie.LOGIN)
    return response


def _show(refused: InputError | None = None) -> Response:
    found = query(lambda c: second_factor.of_account(c, g.session.account))
    is_required = needs_second_factor(is_administrator=principal().is_administrator)
    secret = code = None
    if found and not found.confirmed:
        try:
            secret = query(lambda c: second_factor.secret_of(c, g.session.account))
        except UnreadableError:
            found = None  # it was never in use: a new one is set up in its place
    if secret:
        address = second_factor.provisioning_uri(secret, principal().name, urlsplit(public_address()).netloc)
        # Light in both colour schemes: a camera needs dark modules on a light ground.
        code = Markup(segno.make(address, error="m").svg_inline(scale=5, light="#fff", dark="#000"))  # noqa: S704
    return render_page(
        "second_factor.html", refused, factor=found, secret=secret, qr_code=code, is_required=is_required
    )
