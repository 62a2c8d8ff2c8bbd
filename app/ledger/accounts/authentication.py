"""Identifies the client of a request: a browser by its session, a program by its token."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from flask import Response, current_app, g, request
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import Unauthorized

from ledger import clock as ledger_clock
from ledger.accounts import audit, cookies, rate_limit, sessions, tokens
from ledger.accounts.audit import Actor, AuditEvent
from ledger.accounts.cookies import Cookie
from ledger.accounts.sessions import Session
from ledger.accounts.tokens import Token
from ledger.authorization import BEARER, Principal, SetupStep
from ledger.database import transaction
from ledger.settings import Settings

TOKEN_EXPIRES: Final = "Cloison-Token-Expires"  # noqa: S105 - a header
CHANGE_PASSWORD: Final = SetupStep("account.show", "Choose a password that only you know first: log in with a browser.")
SET_UP_SECOND_FACTOR: Final = SetupStep(
    "second_factor.show", "This ledger requires a second factor: log in with a browser and set it up first."
)


def identify() -> Principal | None:
    """Return the client of this request, or None. An Authorization header counts, and cookies beside it do not."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind:
        return _from_token(given.strip()) if kind.lower() == "bearer" else None
    given = cookies.received(Cookie.SESSION)
    return _from_session(given) if given else None


def current_actor(who: str = "") -> Actor:
    """Return the actor of this request for the audit log."""
    return Actor(who or g.principal.name, rate_limit.address(request.remote_addr), g.get("request_id", ""))


def tell_expiry(response: Response) -> Response:
    """Tell a program until when its token is valid, so that it can warn before."""
    expires: datetime | None = g.get("token_expires")
    if expires is not None:
        response.headers[TOKEN_EXPIRES] = f"{expires.isoformat(timespec='seconds')}Z"
    return response


def engine() -> Engine:
    """Return the pool of database connections."""
    found: Engine = current_app.extensions["engine"]
    return found


def reader() -> Engine:
    """Return the pool of database connections, for queries that need no transaction."""
    found: Engine = current_app.extensions["reader"]
    return found


def _from_token(given: str) -> Principal | None:
    with reader().connect() as connection:
        token = tokens.find(connection, given)
    if token is None:
        return None
    now = ledger_clock.now()
    if token.is_expired(now):
        raise Unauthorized(
            f"This token expired on {token.expires:%Y-%m-%d %H:%M} UTC. Create a new one.", www_authenticate=BEARER
        )
    g.token_expires = token.expires
    name, project = f"token {token.project}/{token.name}", frozenset({token.project})
    if not tokens.is_recently_used(token, now):
        _write_if_possible(lambda connection: _record_token_use(connection, token, current_actor(name), now))
    return Principal(
        name,
        is_user=False,
        reads=project if token.may_read else frozenset(),
        writes=project if token.may_write else frozenset(),
        token_id=token.id,
    )


def _record_token_use(connection: Connection, token: Token, who: Actor, now: datetime) -> None:
    if tokens.touch(connection, token, now) and token.last_used is None:
        audit.write(connection, who, AuditEvent.FIRST_USE, f"{token.project}/{token.name}", now)


def _from_session(given: str) -> Principal | None:
    now = ledger_clock.now()
    with reader().connect() as connection:
        session = sessions.find(connection, given, now)
    if session is None:
        return None
    if not sessions.is_recently_used(session, now):
        _write_if_possible(lambda connection: sessions.touch(connection, session, now))
    g.session = session
    return Principal(
        session.name,
        is_user=True,
        is_administrator=session.is_administrator,
        reads=session.reads,
        setup=_setup_step(session),
    )


def needs_second_factor(*, is_administrator: bool) -> bool:
    """Return whether this ledger requires a second factor of a user."""
    settings: Settings = current_app.config["SETTINGS"]
    return settings.require_totp == "all" or (settings.require_totp == "administrators" and is_administrator)


def _setup_step(session: Session) -> SetupStep | None:
    """Return the step that the user of a session must do first, or None."""
    if session.must_change_password:
        return CHANGE_PASSWORD
    is_missing = not session.has_second_factor and needs_second_factor(is_administrator=session.is_administrator)
    return SET_UP_SECOND_FACTOR if is_missing else None


def _write_if_possible(work: Callable[[Connection], None]) -> None:
    """Record a use, and only log an error: a read-only database still answers reads."""
    try:
        transaction(engine(), work)
    except SQLAlchemyError as error:
        current_app.logger.warning("the last use could not be recorded: %s", str(error).splitlines()[:1])
