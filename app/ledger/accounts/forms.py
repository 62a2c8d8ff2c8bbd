"""Answers to forms: an error is shown beside its field, and a change is recorded in the audit log."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import current_actor, engine, reader
from ledger.accounts.errors import BusyError, InputError, RateLimitedError
from ledger.accounts.passwords import Passwords
from ledger.database import transaction

T = TypeVar("T")
TOO_MANY: Final = "Many people are logging in at this moment. Try again in a few seconds."


def init_app(app: Flask) -> None:
    """Register the error page for a full queue of password checks."""
    app.register_error_handler(BusyError, _busy)


def field(name: str) -> str:
    """Return the text of a field, without surrounding spaces."""
    return request.form.get(name, "").strip()


def is_checked(name: str) -> bool:
    """Return whether a checkbox is ticked."""
    return name in request.form


def passwords() -> Passwords:
    """Return the password hasher."""
    found: Passwords = current_app.extensions["passwords"]
    return found


def query(select: Callable[[Connection], T]) -> T:
    """Return the result of a query on a connection of the pool."""
    with reader().connect() as connection:
        return select(connection)


def run_audited(event: AuditEvent, about: str, work: Callable[[Connection], T], *, who: str = "") -> T:
    """Do `work` and add an entry to the audit log in one transaction; return the result."""

    def both(connection: Connection) -> T:
        result = work(connection)
        audit.write(connection, current_actor(who), event, about, ledger_clock.now())
        return result

    return transaction(engine(), both)


def render_page(template: str, refused: InputError | None = None, **context: Any) -> Response:
    """Return a page; with an error, which the page shows beside its field, the status is 422."""
    response = Response(render_template(f"accounts/{template}", refused=refused, submitted=request.form, **context))
    response.status_code = 200 if refused is None else 422
    return response


def rate_limited(wait: RateLimitedError, template: str, field: str, **context: Any) -> Response:
    """Return status 429 and a page that says when the next attempt is possible."""
    response = render_page(template, InputError(str(wait), field), **context)
    response.status_code = 429
    response.headers["Retry-After"] = str(wait.seconds)
    return response


def _busy(_error: BusyError) -> ResponseReturnValue:
    return render_template("accounts/busy.html", detail=TOO_MANY), 503, {"Retry-After": "3"}
