"""Who may ask for what. Rule: every view says which access it requires; one that says nothing stops the application.

A project that somebody may not read does not exist for him: 404, so that names cannot be guessed. A session opens no
view of programs and a token none of people: either comes to it as nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from flask import Flask, abort, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from ledger.content_negotiation import prefers_json

View = TypeVar("View", bound=Callable[..., Any])
ACCESS_ATTRIBUTE: Final = "__access__"


class Access(StrEnum):
    """Who may call a view."""

    PUBLIC = "public"
    USER = "user"  # somebody with a session
    READER = "reader"  # a person who may read the project that the route names
    ADMINISTRATOR = "administrator"
    READ_TOKEN = "read token"  # noqa: S105 - a token that may read its project
    WRITE_TOKEN = "write token"  # noqa: S105 - a token that may add to its project


TOKEN_ACCESS: Final = frozenset({Access.READ_TOKEN, Access.WRITE_TOKEN})
BEARER: Final = WWWAuthenticate("bearer", {"realm": "ledger"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. A person reads projects; a token belongs to one, and may read it, add to it, or both."""

    name: str
    is_user: bool
    is_administrator: bool = False
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    @property
    def project(self) -> str:
        """Return the one project of a token."""
        (project,) = self.reads | self.writes
        return project


def requires(access: Access) -> Callable[[View], View]:
    """Say which access a view requires. Stands below the route's decorator."""

    def say(view: View) -> View:
        setattr(view, ACCESS_ATTRIBUTE, access)
        return view

    return say


def required_access(app: Flask, endpoint: str) -> Access:
    """Return which access an endpoint requires; LookupError when it does not say."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return Access.PUBLIC
    found: Access | None = getattr(app.view_functions[endpoint], ACCESS_ATTRIBUTE, None)
    if found is None:
        raise LookupError(f"{endpoint} does not say which access it requires (@requires)")
    return found


def principal() -> Principal:
    """Return who asks; only where the view requires somebody."""
    who: Principal = g.principal
    return who


def init_app(app: Flask, identify: Callable[[], Principal | None]) -> None:
    """Let `identify` tell who asks, and refuse who may not. To be called when every route is registered."""
    for rule in app.url_map.iter_rules():
        required_access(app, rule.endpoint)

    @app.before_request
    def _check() -> ResponseReturnValue | None:
        if request.endpoint is None:
            return None
        access = required_access(app, request.endpoint)
        if access is Access.PUBLIC:
            return None
        g.principal = identify()
        if g.principal is None or g.principal.is_user is (access in TOKEN_ACCESS):
            return _reject_anonymous(access)
        _check_access(access, g.principal)
        return None


def _reject_anonymous(access: Access) -> ResponseReturnValue:
    """Lead a person to the login and back; tell a program what is missing."""
    g.principal = None
    if access in TOKEN_ACCESS:
        raise Unauthorized("A good token of a project is needed: Authorization: Bearer clo_…", www_authenticate=BEARER)
    if prefers_json():
        raise Unauthorized("Nobody is logged in.")
    # What was typed into a form whose session has ended cannot be sent again by a redirect: back to its page.
    next_path = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else "/"
    return redirect(url_for("login.login", next=next_path), 303)


def _check_access(access: Access, who: Principal) -> None:
    if access in TOKEN_ACCESS:
        if not (who.reads if access is Access.READ_TOKEN else who.writes):
            abort(403, "This token may not do that.")
    elif access is Access.READER and not (who.is_administrator or (request.view_args or {})["project"] in who.reads):
        abort(404)
    elif access is Access.ADMINISTRATOR and not who.is_administrator:
        abort(403, "This page is for administrators.")
