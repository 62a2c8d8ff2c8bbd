"""Answering a form: what was refused is told beside its field, and what was done is written in the audit log."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from ledger import clock as ledger_clock
from ledger.accounts import audit
from ledger.accounts.audit import AuditEvent
from ledger.accounts.authentication import current_actor, engine
from ledger.accounts.errors import BusyError, InputError, RateLimitedError
from ledger.accounts.passwords import Passwords
from ledger.database import transaction

T = TypeVar("T")
TOO_MANY: Final = "Many people are logging in at this moment. Try again in a few seconds."


def init_app(app: Flask) -> None:
    """Answer what a form cannot show itself."""
    app.register_error_handler(BusyError, _busy)


def field(name: str) -> str:
    """Return what was typed into a field."""
    return request.form.get(name, "").strip()


def is_checked(name: str) -> bool:
    """Tell whether a box is ticked."""
    return name in request.form


def passwords() -> Passwords:
    """Return who checks passwords."""
    found: Passwords = current_app.extensions["passwords"]
    return found


def query(question: Callable[[Connection], T]) -> T:
    """Return what the database answers."""
    with engine().connect() as connection:
        return question(connection)


def run_audited(event: AuditEvent, about: str, work: Callable[[Connection], T], *, who: str = "") -> T:
    """Do it and write it in the audit log, both or neither."""

    def both(connection: Connection) -> T:
        result = work(connection)
        audit.write(connection, current_actor(who), event, about, ledger_clock.now())
        return result

    return transaction(engine(), both)


def render_page(template: str, refused: InputError | None = None, **context: Any) -> Response:
    """Return a page, with what was refused where it was."""
    response = Response(render_template(f"accounts/{template}", refused=refused, submitted=request.form, **context))
    response.status_code = 200 if refused is None else 422
    return response


def rate_limited(wait: RateLimitedError, template: str, field: str, **context: Any) -> Response:
    """Return a page that says when the next attempt is possible."""
    response = render_page(template, InputError(str(wait), field), **context)
    response.status_code = 429
    response.headers["Retry-After"] = str(wait.seconds)
    return response


def _busy(_error: BusyError) -> ResponseReturnValue:
    return render_template("accounts/busy.html", detail=TOO_MANY), 503, {"Retry-After": "3"}
