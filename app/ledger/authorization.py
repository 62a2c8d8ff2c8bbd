"""Authorization: the access that each view requires, and the check of every request.

Rules: every view declares its access with `requires`; a view without it prevents the application from starting. A
project without read access answers 404, so that names cannot be guessed. A session gives no access to views for
programs, and a token none to pages. A user with a step of the setup ahead is led to it by every other page.
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
RECENT_ATTRIBUTE: Final = "__recent__"


class Access(StrEnum):
    """The access that a view requires."""

    PUBLIC = "public"
    SETUP = "user in setup"  # a user with a session, also one with a step of the setup ahead
    USER = "user"  # a user with a session
    READER = "reader"  # a user who may read the project in the route
    ADMINISTRATOR = "administrator"
    READ_TOKEN = "read token"  # noqa: S105 - a token that may read its project
    WRITE_TOKEN = "write token"  # noqa: S105 - a token that may add to its project


TOKEN_ACCESS: Final = frozenset({Access.READ_TOKEN, Access.WRITE_TOKEN})
BEARER: Final = WWWAuthenticate("bearer", {"realm": "ledger"})


@dataclass(frozen=True, slots=True)
class SetupStep:
    """A step that a user must do before anything else: the endpoint of its page, and a sentence for a program."""

    endpoint: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Principal:
    """The client of a request: a user with readable projects, or a token of one project with read or write access."""

    name: str
    is_user: bool
    is_administrator: bool = False
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    token_id: int | None = None
    """The token in the database; None for a user."""
    setup: SetupStep | None = None

    @property
    def project(self) -> str:
        """The project of a token."""
        (project,) = self.reads | self.writes
        return project


def requires(access: Access, *, recent: bool = False) -> Callable[[View], View]:
    """Declare the access that a view requires; to be placed below the decorator of the route.

    `recent`: a form needs a password that was entered a short time ago. Every form for administrators does.
    """

    def declare(view: View) -> View:
        setattr(view, ACCESS_ATTRIBUTE, access)
        setattr(view, RECENT_ATTRIBUTE, recent or access is Access.ADMINISTRATOR)
        return view

    return declare


def required_access(app: Flask, endpoint: str) -> Access:
    """Return the access that an endpoint requires; LookupError when it declares none."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return Access.PUBLIC
    found: Access | None = getattr(app.view_functions[endpoint], ACCESS_ATTRIBUTE, None)
    if found is None:
        raise LookupError(f"{endpoint} does not say which access it requires (@requires)")
    return found


def needs_recent_login(app: Flask, endpoint: str) -> bool:
    """Return whether a form of an endpoint needs a password that was entered a short time ago."""
    return bool(getattr(app.view_functions[endpoint], RECENT_ATTRIBUTE, False))


def principal() -> Principal:
    """Return the client of this request; only for a view that is not public."""
    client: Principal = g.principal
    return client


def init_app(app: Flask, identify: Callable[[], Principal | None]) -> None:
    """Check every request with `identify`; to be called after every route is registered."""
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
        if g.principal.setup and access is not Access.SETUP:
            return _lead_to_setup(g.principal.setup)
        _check_access(access, g.principal)
        return None


def _reject_anonymous(access: Access) -> ResponseReturnValue:
    """Redirect a browser to the login; answer a program with status 401."""
    g.principal = None
    if access in TOKEN_ACCESS:
        raise Unauthorized("A valid token of a project is needed: Authorization: Bearer clo_…", www_authenticate=BEARER)
    if prefers_json():
        raise Unauthorized("A login is needed.")
    # A redirect cannot send the fields of a POST again, so the login leads to the front page after one.
    next_path = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else "/"
    return redirect(url_for("login.login", next=next_path), 303)


def _lead_to_setup(step: SetupStep) -> ResponseReturnValue:
    if prefers_json():
        abort(403, step.sentence)
    return redirect(url_for(step.endpoint), 303)


def _check_access(access: Access, client: Principal) -> None:
    if access in TOKEN_ACCESS:
        if not (client.reads if access is Access.READ_TOKEN else client.writes):
            abort(403, "This token does not have that access.")
    elif access is Access.READER and not (
        client.is_administrator or (request.view_args or {})["project"] in client.reads
    ):
        abort(404)
    elif access is Access.ADMINISTRATOR and not client.is_administrator:
        abort(403, "This page is for administrators.")
