"""The login at an OpenID provider: the way there, the answer, and the link of an account to an identity."""

import hmac
from datetime import UTC
from typing import Final

from flask import Blueprint, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ledger import clock as ledger_clock
from ledger.accounts import cookies, csrf, identities, provider_logins, sessions
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import engine, identify
from ledger.accounts.cookies import Cookie
from ledger.accounts.errors import InputError
from ledger.accounts.forms import render_page, run_audited
from ledger.accounts.login_flow import ANONYMOUS, after_first_step
from ledger.accounts.oidc import FlowSecrets, Identity, Provider, ProviderError, ProviderUnavailableError
from ledger.accounts.provider_logins import ProviderLogin, Purpose
from ledger.accounts.safe_redirect import safe_path
from ledger.accounts.users import Account
from ledger.authorization import Access, principal, requires
from ledger.database import transaction
from ledger.oidc_settings import OidcSettings
from ledger.public_address import public_address

bp = Blueprint("oidc", __name__, template_folder="templates")

LOGIN_IS_OVER: Final = "This login took too long, or it was finished already. Begin again."


@bp.get("/login/oidc")
@requires(Access.PUBLIC)
def begin() -> ResponseReturnValue:
    """Send the browser to the provider."""
    return _begin(Purpose.LOGIN, None, safe_path(request.args.get("next")))


@bp.post("/account/oidc/link")
@requires(Access.USER, recent=True)
def begin_link() -> ResponseReturnValue:
    """Show the link to the provider, to link the identity to one's own account.

    Not a redirect: by the Content-Security-Policy a form of this ledger leads to no other host.
    """
    return _begin(Purpose.LINK, g.session.account, url_for("account.show"))


@bp.get("/account/oidc/confirm")
@requires(Access.SETUP)
def begin_confirmation() -> ResponseReturnValue:
    """Send the browser to the provider, to show again who uses this session."""
    return _begin(Purpose.CONFIRM, g.session.account, safe_path(request.args.get("next")))


@bp.post("/account/oidc/unlink")
@requires(Access.USER, recent=True)
def unlink() -> ResponseReturnValue:
    """Remove the link of one's own account to the provider."""
    issuer = settings().issuer
    run_audited(AuditEvent.UNLINK, principal().name, lambda c: identities.unlink(c, g.session.account, issuer))
    return redirect(url_for("account.show"), 303)


@bp.get("/login/oidc/callback")
@requires(Access.PUBLIC)
def callback() -> ResponseReturnValue:
    """Take the answer of the provider."""
    given, now = cookies.received(Cookie.PROVIDER), ledger_clock.now()
    waiting = transaction(engine(), lambda c: provider_logins.use(c, given, now)) if given else None
    if waiting is None:
        return _refused(LOGIN_IS_OVER, 400)
    try:
        response = _follow(waiting, _identity(given, waiting))
    except InputError as refused:
        response = _refused(str(refused), 403)
    except ProviderUnavailableError as error:
        response = _refused(str(error), 503)
        response.headers["Retry-After"] = "60"
    except ProviderError as error:
        current_app.logger.warning("OpenID provider: %s", error.__cause__ or error)
        response = _refused(str(error), 400)
    cookies.expire(response, Cookie.PROVIDER)
    return response


def settings() -> OidcSettings:
    """Return the settings of the provider; 404 without one."""
    found: OidcSettings | None = current_app.config["SETTINGS"].oidc
    if found is None:
        abort(404)
    return found


def _begin(purpose: Purpose, account: int | None, next_path: str) -> ResponseReturnValue:
    settings()
    if csrf.is_cross_site():
        abort(403, csrf.STALE_FORM)
    given = transaction(engine(), lambda c: provider_logins.create(c, purpose, account, next_path, ledger_clock.now()))
    try:
        flow, is_again = FlowSecrets.of_browser(given), purpose is Purpose.CONFIRM
        address = _provider().authorization_address(flow, _redirect_uri(), again=is_again)
    except ProviderError as error:
        current_app.logger.warning("OpenID provider: %s", error.__cause__ or error)
        return _refused(str(error), 503)
    is_form = request.method == "POST"
    response = render_page("oidc_continue.html", address=address) if is_form else redirect(address, 303)
    cookies.send(response, Cookie.PROVIDER, given)
    return response


def _identity(given: str, waiting: ProviderLogin) -> Identity:
    """Return the identity that the provider's answer is about; ProviderError when the answer is not right."""
    flow, answer = FlowSecrets.of_browser(given), request.args
    if not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
        raise ProviderError("This answer of the login provider is not for this browser. Begin again.")
    if answer.get("iss", settings().issuer) != settings().issuer:  # RFC 9207
        raise ProviderError("This answer is from another login provider. Begin again.")
    if "code" not in answer:
        error = answer.get("error", "")
        is_denied = error in {"access_denied", "login_required", "consent_required", "interaction_required"}
        why = "You were not logged in at the login provider." if is_denied else "The login provider reported an error."
        raise ProviderError(f"{why} Try again.")
    since = waiting.created.replace(tzinfo=UTC).timestamp() if waiting.purpose is Purpose.CONFIRM else None
    return _provider().identity(answer["code"], flow, _redirect_uri(), since=since)


def _follow(waiting: ProviderLogin, identity: Identity) -> Response:
    """Do what the login was begun for; InputError when the identity may not."""
    if waiting.purpose is Purpose.LOGIN:
        return _log_in(identity, waiting.next_path)
    g.principal = identify()
    if g.principal is None or g.session.account != waiting.account:
        raise InputError(LOGIN_IS_OVER)
    if waiting.purpose is Purpose.LINK:
        return _link(identity, waiting.next_path)
    return _confirm(identity, waiting.next_path)


def _log_in(identity: Identity, next_path: str) -> Response:
    now = ledger_clock.now()
    try:
        account, is_new = transaction(engine(), lambda c: identities.resolve(c, settings(), identity, now))
    except InputError:
        run_audited(AuditEvent.REFUSAL, "an identity that opens no account", lambda _: None, who=ANONYMOUS)
        raise
    if is_new:
        run_audited(AuditEvent.LINK, account.name, lambda _: None, who=account.name)
    return after_first_step(account, (), next_path, is_by_provider=True)


def _link(identity: Identity, next_path: str) -> Response:
    now = ledger_clock.now()

    def work(connection: Connection) -> None:
        identities.link(connection, g.session.account, identity.issuer, identity.subject, now)

    run_audited(AuditEvent.LINK, principal().name, work)
    return redirect(next_path, 303)


def _confirm(identity: Identity, next_path: str) -> Response:
    now = ledger_clock.now()

    def work(connection: Connection) -> Account | None:
        found = identities.find(connection, identity.issuer, identity.subject)
        if found is not None and found.id == g.session.account:
            sessions.confirm(connection, g.session, now)
            return found
        return None

    if transaction(engine(), work) is None:
        raise InputError("This login belongs to another account, so nothing is confirmed.")
    return redirect(next_path, 303)


def _refused(sentence: str, status: int) -> Response:
    response = render_page("oidc_refused.html", detail=sentence)
    response.status_code = status
    return response


def _provider() -> Provider:
    extensions = current_app.extensions
    found: Provider = extensions.get("oidc_provider") or extensions.setdefault("oidc_provider", Provider(settings()))
    return found


def _redirect_uri() -> str:
    return public_address(url_for("oidc.callback"))
