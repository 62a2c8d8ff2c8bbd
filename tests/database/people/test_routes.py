"""Who gets what at which route: every route has a row, and every row is asked by everybody.

A new route is one more row: its method and rule as Flask knows them, an address of it, and what it answers to whom.
`Accept: text/html` is sent, so who is nobody to a page is led to the login (303).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from ledger.people import moment, tokens

if TYPE_CHECKING:
    from tests.database.people.conftest import Browser, World

PEOPLE: Final = ("reader", "reader of another", "administrator")
TOKENS: Final = ("read token", "write token", "revoked token", "token of another")
ROLES: Final = ("nobody", *TOKENS, *PEOPLE)  # the administrator last: what he does may be seen by the others
Expected = Mapping[str, int]


def everybody(status: int) -> Expected:
    """Everybody gets this."""
    return dict.fromkeys(ROLES, status)


def people(status: int) -> Expected:
    """Whoever has logged in gets this."""
    return {**everybody(303), **dict.fromkeys(PEOPLE, status)}


def readers(status: int) -> Expected:
    """Whoever may read `ours` gets this; to others it does not exist."""
    return {**people(status), "reader of another": 404}


def administrators(status: int) -> Expected:
    """Administrators get this."""
    return {**people(403), "administrator": status}


def reading_tokens(status: int, *, other: int | None = None) -> Expected:
    """Tokens that may read get this, the one of another project `other`."""
    return {
        **everybody(401),
        "read token": status,
        "write token": 403,
        "token of another": status if other is None else other,
    }


def writing_tokens(status: int, *, other: int | None = None) -> Expected:
    """Tokens that may write get this, the one of another project `other`."""
    return {
        **everybody(401),
        "write token": status,
        "read token": 403,
        "token of another": status if other is None else other,
    }


@dataclass(frozen=True)
class Route:
    """One row: what is asked, and what everybody gets."""

    method: str
    rule: str
    expected: Expected
    path: str = ""  # where it differs from the rule
    form: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None


ROUTES: Final = (
    Route("GET", "/static/<path:filename>", everybody(200), "/static/ledger.css"),
    Route("GET", "/healthz", everybody(200)),
    Route("GET", "/readyz", everybody(200)),
    Route("GET", "/", {**everybody(200), **dict.fromkeys(PEOPLE, 302)}),
    Route("GET", "/login", {**everybody(200), **dict.fromkeys(PEOPLE, 302)}),
    # Who has logged in meanwhile has no login's form any more.
    Route("POST", "/login", {**everybody(422), **dict.fromkeys(PEOPLE, 403)}, form={"name": "ada", "password": "no"}),
    Route("POST", "/logout", people(303)),
    Route("GET", "/account", people(200)),
    Route("POST", "/account", people(422), form={"password": "wrong", "new": "", "again": ""}),
    Route("GET", "/admin/projects", administrators(200)),
    Route("POST", "/admin/projects", administrators(303), form={"name": "another"}),
    Route("GET", "/admin/users", administrators(200)),
    Route("POST", "/admin/users", administrators(200), form={"name": "newcomer"}),
    Route("GET", "/admin/users/<name>", administrators(200), "/admin/users/theo"),
    Route("POST", "/admin/users/<name>/standing", administrators(303), "/admin/users/theo/standing"),
    Route("POST", "/admin/users/<name>/projects", administrators(303), "/admin/users/theo/projects"),
    Route("POST", "/admin/users/<name>/password", administrators(200), "/admin/users/theo/password"),
    Route("GET", "/admin/tokens", administrators(200)),
    Route("POST", "/admin/tokens", administrators(200), form={"project": "ours", "name": "new", "may_read": "1"}),
    Route("POST", "/admin/tokens/<int:number>/revoke", administrators(422), "/admin/tokens/4294967295/revoke"),
    Route("GET", "/admin/audit", administrators(200)),
)


def routes_of(url_map: Any) -> set[tuple[str, str]]:
    """Return every method and rule of an application."""
    return {(method, str(rule)) for rule in url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}}


def test_every_route_has_a_row_and_every_row_a_route(world: "World") -> None:
    assert routes_of(world.app.url_map) == {(route.method, route.rule) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.rule}")
def test_everybody_gets_what_is_his(world: "World", route: Route) -> None:
    ask = asking(world)

    assert {role: ask[role](route) for role in ROLES} == dict(route.expected)


def asking(world: "World") -> dict[str, Callable[[Route], int]]:
    """Return how each role asks."""
    revoked = world.token("ours", "revoked", may_read=True, may_write=True)
    world.do(lambda c: tokens.revoke(c, tokens.of(c, "ours")[0].id, moment.now()))
    bearers = {
        "read token": world.token("ours", "reads", may_read=True),
        "write token": world.token("ours", "writes", may_write=True),
        "revoked token": revoked,
        "token of another": world.token("theirs", "both", may_read=True, may_write=True),
    }
    names = {"reader": "rita", "reader of another": "theo", "administrator": "ada"}
    asked = {"nobody": by_browser(world.browser(), "/login")}
    asked |= {role: by_browser(world.browser_of(name), "/account") for role, name in names.items()}
    return asked | {role: by_token(world, token) for role, token in bearers.items()}


def by_browser(browser: "Browser", page: str) -> Callable[[Route], int]:
    """Ask as a browser does, with the token of its forms."""

    def ask(route: Route) -> int:
        return status(browser, route, {}, "" if route.method == "GET" else browser.form_token(page))

    return ask


def by_token(world: "World", token: str) -> Callable[[Route], int]:
    """Ask as a program does."""

    def ask(route: Route) -> int:
        browser = world.browser()
        return status(browser, route, {"Authorization": f"Bearer {token}"}, browser.form_token("/login"))

    return ask


def status(browser: "Browser", route: Route, headers: dict[str, str], csrf: str) -> int:
    """Ask for a route and return the answer's status."""
    given: dict[str, Any] = {"json": route.json} if route.json is not None else {"data": {"csrf": csrf, **route.form}}
    with browser.client.open(
        route.path or route.rule,
        method=route.method,
        headers={"Accept": "text/html", **headers},
        **({} if route.method == "GET" else given),
    ) as answer:
        return int(answer.status_code)
