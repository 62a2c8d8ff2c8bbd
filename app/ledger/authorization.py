"""Who may ask for what. Rule: every view says what it demands, and one that says nothing stops the application.

A project that somebody may not read does not exist for him: 404, so that names cannot be guessed. A session opens no
door of programs and a token none of people: either comes to it as nobody.
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
DEMAND: Final = "__demand__"


class Demand(StrEnum):
    """What a view asks of whoever comes."""

    NOTHING = "nothing"
    PERSON = "person"  # somebody with a session
    READER = "reader"  # a person who may read the project that the route names
    ADMINISTRATOR = "administrator"
    READ_TOKEN = "read token"  # noqa: S105 - a token that may read its project
    WRITE_TOKEN = "write token"  # noqa: S105 - a token that may add to its project


TOKENS: Final = frozenset({Demand.READ_TOKEN, Demand.WRITE_TOKEN})
BEARER: Final = WWWAuthenticate("bearer", {"realm": "ledger"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. A person reads projects; a token belongs to one, and may read it, add to it, or both."""

    name: str
    is_person: bool
    is_administrator: bool = False
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    @property
    def project(self) -> str:
        """Return the one project of a token."""
        (project,) = self.reads | self.writes
        return project


def demands(demand: Demand) -> Callable[[View], View]:
    """Say what a view demands. Stands below the route's decorator."""

    def say(view: View) -> View:
        setattr(view, DEMAND, demand)
        return view

    return say


def demand_of(app: Flask, endpoint: str) -> Demand:
    """Return what an endpoint demands; LookupError when it does not say."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return Demand.NOTHING
    found: Demand | None = getattr(app.view_functions[endpoint], DEMAND, None)
    if found is None:
        raise LookupError(f"{endpoint} does not say what it demands (@demands)")
    return found


def principal() -> Principal:
    """Return who asks; only where the view demands somebody."""
    who: Principal = g.principal
    return who


def init_app(app: Flask, identify: Callable[[], Principal | None]) -> None:
    """Let `identify` tell who asks, and refuse who may not. To be called when every route is registered."""
    for rule in app.url_map.iter_rules():
        demand_of(app, rule.endpoint)

    @app.before_request
    def _check() -> ResponseReturnValue | None:
        if request.endpoint is None:
            return None
        demand = demand_of(app, request.endpoint)
        if demand is Demand.NOTHING:
            return None
        g.principal = identify()
        if g.principal is None or g.principal.is_person is (demand in TOKENS):
            return _ask_who(demand)
        _refuse_unless(demand, g.principal)
        return None


def _ask_who(demand: Demand) -> ResponseReturnValue:
    """Lead a person to the login and back; tell a program what is missing."""
    g.principal = None
    if demand in TOKENS:
        raise Unauthorized("A good token of a project is needed: Authorization: Bearer clo_…", www_authenticate=BEARER)
    if prefers_json():
        raise Unauthorized("Nobody is logged in.")
    # What was typed into a form whose session has ended cannot be sent again by a redirect: back to its page.
    way = request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else "/"
    return redirect(url_for("entrance.login", next=way), 303)


def _refuse_unless(demand: Demand, who: Principal) -> None:
    if demand in TOKENS:
        if not (who.reads if demand is Demand.READ_TOKEN else who.writes):
            abort(403, "This token may not do that.")
    elif demand is Demand.READER and not (who.is_administrator or (request.view_args or {})["project"] in who.reads):
        abort(404)
    elif demand is Demand.ADMINISTRATOR and not who.is_administrator:
        abort(403, "This page is for administrators.")
