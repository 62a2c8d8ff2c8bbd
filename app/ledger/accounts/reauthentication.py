"""Asks for the password again before an administrative change, when it was entered long ago.

Rule: a session that somebody found open must not be enough to add accounts or tokens. A form for administrators, and
any other that asks for it with `requires(…, recent=True)`, is answered by a page that asks for the password and carries
the form's own fields along, so that nothing has to be typed twice.
"""

from typing import Final

from flask import Flask, g, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import rate_limit, sessions
from ledger.accounts.authentication import engine
from ledger.accounts.csrf import FORM_FIELD, SAFE_METHODS
from ledger.accounts.errors import InputError, RateLimitedError
from ledger.accounts.forms import rate_limited, render_page
from ledger.accounts.login_flow import check_credentials
from ledger.authorization import needs_recent_login, principal
from ledger.database import transaction

PASSWORD_FIELD: Final = "confirm_password"  # noqa: S105 - the name of a field


def init_app(app: Flask) -> None:
    """Check every form after authorization and its token; to be called after `csrf.init_app`."""

    @app.before_request
    def _check() -> ResponseReturnValue | None:
        if (
            request.endpoint is None
            or request.method in SAFE_METHODS
            or not needs_recent_login(app, request.endpoint)
            or g.session.is_recently_authenticated(ledger_clock.now())
        ):
            return None
        return _confirm() if PASSWORD_FIELD in request.form else _ask(None)


def _confirm() -> ResponseReturnValue | None:
    """Check the password; None when it is right, so that the form is processed."""
    counted = rate_limit.own_buckets(principal().name)
    refused = InputError("This is not your password.", PASSWORD_FIELD)
    try:
        check_credentials(principal().name, request.form[PASSWORD_FIELD], counted, refused)
    except InputError:
        return _ask(refused)
    except RateLimitedError as wait:
        return rate_limited(wait, "confirm.html", PASSWORD_FIELD, carried=_carried())
    now = ledger_clock.now()

    def work(connection: Connection) -> None:
        rate_limit.reset_after_success(connection, counted)
        sessions.confirm(connection, g.session, now)

    transaction(engine(), work)
    return None


def _ask(refused: InputError | None) -> ResponseReturnValue:
    page = render_page("confirm.html", refused, carried=_carried())
    page.status_code = 403
    return page


def _carried() -> list[tuple[str, str]]:
    """Return the fields of the form that the page carries along."""
    return [(name, value) for name, value in request.form.items(multi=True) if name not in {FORM_FIELD, PASSWORD_FIELD}]
