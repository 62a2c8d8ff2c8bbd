"""The access of each role to each route: every route has a row, and every role requests every row.

A new route is one more row: its method and rule as Flask knows them, an address of it, and what it answers to whom.
`Accept: text/html` is sent, so who is nobody to a page is led to the login (303).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import select, update
from tests.ledger.sample_proofs import CLOSED_PORT, body, document

from ledger import clock as ledger_clock
from ledger.accounts import tokens
from ledger.accounts.tables import ACCOUNT, PROJECT

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger

PEOPLE: Final = ("reader", "reader of another", "administrator")
LOGGED_IN: Final = ("in setup", *PEOPLE)
TOKENS: Final = ("read token", "write token", "revoked token", "token of another")
ROLES: Final = ("nobody", *TOKENS, *LOGGED_IN)  # the administrator last: what he does may be seen by the others
Expected = Mapping[str, int]
DIGEST: Final = "<string(length=64):digest>"


def everybody(status: int) -> Expected:
    """Everybody gets this."""
    return dict.fromkeys(ROLES, status)


def people(status: int) -> Expected:
    """Whoever has logged in gets this."""
    return {**everybody(303), **dict.fromkeys(PEOPLE, status)}


def people_in_setup(status: int) -> Expected:
    """Whoever has logged in gets this, also before the own password is chosen."""
    return {**people(status), "in setup": status}


def readers(status: int) -> Expected:
    """Whoever may read `ours` gets this; to others it does not exist."""
    return {**people(status), "reader of another": 404}


def to_programs(expected: Expected) -> Expected:
    """What asks for JSON, by the end of its address, is not led to a login."""
    told = {role: 401 if status == 303 else status for role, status in expected.items()}
    return {**told, "in setup": 403}


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
    path: str = ""  # where it differs from the rule; OLD and NEW are digests of two proofs of `ours`, KEY its badge's
    form: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""  # where it is no form


ROUTES: Final = (
    Route("GET", "/static/<path:filename>", everybody(200), "/static/ledger.css"),
    Route("GET", "/static/cloison_view/<path:filename>", everybody(200), "/static/cloison_view/view.css"),
    Route("GET", "/healthz", everybody(200)),
    Route("GET", "/metrics", everybody(200)),  # the proxy lets nobody through to it
    Route("GET", "/readyz", everybody(200)),
    Route("GET", "/", {**everybody(200), **dict.fromkeys(LOGGED_IN, 302)}),
    Route("GET", "/login", {**everybody(200), **dict.fromkeys(LOGGED_IN, 302)}),
    # Who has logged in meanwhile has no login's form any more.
    Route(
        "POST",
        "/login",
        {**everybody(422), **dict.fromkeys(LOGGED_IN, 403)},
        form={"name": "ada", "password": "no"},
    ),
    Route("POST", "/logout", people_in_setup(303)),
    Route("GET", "/account", people_in_setup(200)),
    Route("POST", "/account", people_in_setup(422), form={"password": "wrong", "new": "", "again": ""}),
    Route("GET", "/login/code", everybody(303)),  # nobody has done the first step
    Route("POST", "/login/code", {**everybody(422), **dict.fromkeys(LOGGED_IN, 403)}, form={"code": "000000"}),
    Route("GET", "/login/oidc", everybody(404)),  # this ledger has no OpenID provider
    Route("GET", "/login/oidc/callback", everybody(400)),
    Route("POST", "/account/oidc/link", people(404)),
    Route("GET", "/account/oidc/confirm", people_in_setup(404)),
    Route("POST", "/account/oidc/unlink", people(404)),
    Route("GET", "/account/second-factor", people_in_setup(200)),
    Route("POST", "/account/second-factor/begin", people_in_setup(303)),
    Route("POST", "/account/second-factor/confirm", people_in_setup(422), form={"code": "000000"}),
    Route("POST", "/account/second-factor/recovery-codes", people(422)),
    Route("POST", "/account/second-factor/remove", people(303)),
    Route("GET", "/account/sessions", people(200)),
    Route("POST", "/account/sessions/end", people(422), form={"session": "none"}),
    Route("POST", "/account/sessions/end-others", people(303)),
    Route("POST", "/account/sessions/end-all", people_in_setup(303)),
    Route("GET", "/admin/projects", administrators(200)),
    Route("POST", "/admin/projects", administrators(303), form={"name": "another"}),
    Route("GET", "/admin/projects/<project>/remove", administrators(200), "/admin/projects/ours/remove"),
    Route(
        "POST",
        "/admin/projects/<project>/remove",
        administrators(303),
        "/admin/projects/theirs/remove",
        form={"name": "theirs"},
    ),
    Route(
        "GET",
        f"/admin/projects/<project>/proofs/{DIGEST}/remove",
        administrators(200),
        "/admin/projects/ours/proofs/NEW/remove",
    ),
    Route(
        "POST",
        f"/admin/projects/<project>/proofs/{DIGEST}/remove",
        administrators(303),
        "/admin/projects/ours/proofs/NEW/remove",
    ),
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
    Route("GET", "/admin/audit.<any(csv, jsonl):kind>", administrators(200), "/admin/audit.csv"),
    Route("GET", "/projects", people(200)),
    Route("GET", "/projects/<project>", readers(200), "/projects/ours"),
    Route("GET", "/projects/<project>/proofs", readers(200), "/projects/ours/proofs"),
    Route("GET", f"/projects/<project>/proofs/{DIGEST}", readers(200), "/projects/ours/proofs/NEW"),
    Route(
        "GET", f"/projects/<project>/proofs/{DIGEST}.json", to_programs(readers(200)), "/projects/ours/proofs/NEW.json"
    ),
    Route(
        "GET",
        f"/projects/<project>/proofs/{DIGEST}/evidence/<int:source>",
        readers(200),
        "/projects/ours/proofs/NEW/evidence/0",
    ),
    Route("GET", "/projects/<project>/diff", readers(302), "/projects/ours/diff"),
    Route(
        "GET",
        "/projects/<project>/diff/<string(minlength=8, maxlength=64):old>/<string(minlength=8, maxlength=64):new>",
        readers(200),
        "/projects/ours/diff/OLD/NEW",
    ),
    Route("GET", "/projects/<project>/doors", readers(200), "/projects/ours/doors"),
    Route("GET", "/projects/<project>/notifications", readers(200), "/projects/ours/notifications"),
    *(
        Route(
            "POST",
            f"/projects/<project>/notifications/{end}",
            administrators(status),
            f"/projects/ours/notifications/{end.replace('<int:number>', '4294967295')}",
            form=form,
        )
        for end, status, form in (
            ("channels", 200, {"name": "ops", "format": "json", "target": "https://example.org/"}),
            ("channels/<int:number>", 422, {"target": "https://example.org/"}),
            ("channels/<int:number>/remove", 422, {}),
            ("channels/<int:number>/test", 422, {}),
            ("overdue", 303, {"hours": "24"}),
            ("feed", 303, {}),
        )
    ),
    Route("GET", "/feed/<key>.atom", everybody(404), "/feed/none.atom"),
    Route("GET", "/badge/<key>.svg", everybody(200), "/badge/KEY.svg"),
    Route("GET", "/api/v1/openapi.json", everybody(200)),
    Route("GET", "/internal/may-add", writing_tokens(204)),  # the proxy lets nobody through to it
    Route("GET", "/api/v1/proofs", reading_tokens(200)),
    Route("GET", f"/api/v1/proofs/{DIGEST}", reading_tokens(200, other=404), "/api/v1/proofs/NEW"),
    Route(
        "GET",
        f"/api/v1/proofs/{DIGEST}/since/<string(length=64):earlier>",
        reading_tokens(200, other=404),
        "/api/v1/proofs/NEW/since/OLD",
    ),
    Route("GET", "/api/v1/doors", reading_tokens(200)),
    Route(
        "POST",
        "/api/v1/proofs",
        writing_tokens(201, other=422),
        body=body(document({("app", "db", 3306): CLOSED_PORT}, minute=9, project="ours")),
    ),
)


def routes_of(url_map: Any) -> set[tuple[str, str]]:
    """Return every method and rule of an application."""
    return {(method, str(rule)) for rule in url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}}


def test_every_route_has_a_row_and_every_row_a_route(world: "SampleLedger") -> None:
    assert routes_of(world.app.url_map) == {(route.method, route.rule) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.rule}")
def test_every_role_gets_its_status(world: "SampleLedger", route: Route) -> None:
    ask, found = asking(world), kept(world)
    path = re.sub("OLD|NEW|KEY", lambda name: found[name[0]], route.path or route.rule)
    route = replace(route, path=path)

    assert {role: ask[role](route) for role in ROLES} == dict(route.expected)


def kept(world: "SampleLedger") -> dict[str, str]:
    """Keep two proofs of `ours`, and return what they and its badge are known by."""
    archive = world.app.extensions["archive"]
    observed = {("app", "db", 3306): CLOSED_PORT}
    proofs = {
        name: archive.save("ours", body(document(observed, minute=n, project="ours"))).digest
        for n, name in enumerate(("OLD", "NEW"))
    }
    return proofs | {"KEY": world.do(lambda c: c.scalar(select(PROJECT.c.badge_key).where(PROJECT.c.name == "ours")))}


def asking(world: "SampleLedger") -> dict[str, Callable[[Route], int]]:
    """Return how each role asks."""
    revoked = world.token("ours", "revoked", may_read=True, may_write=True)
    world.do(lambda c: tokens.revoke(c, tokens.of_project(c, "ours")[0].id, ledger_clock.now()))
    bearers = {
        "read token": world.token("ours", "reads", may_read=True),
        "write token": world.token("ours", "writes", may_write=True),
        "revoked token": revoked,
        "token of another": world.token("theirs", "both", may_read=True, may_write=True),
    }
    nora = world.add("nora")
    world.do(lambda c: c.execute(update(ACCOUNT).where(ACCOUNT.c.id == nora).values(must_change_password=True)))
    names = {"in setup": "nora", "reader": "rita", "reader of another": "theo", "administrator": "ada"}
    asked = {"nobody": by_browser(world.browser(), "/login")}
    asked |= {role: by_browser(world.browser_of(name), "/account") for role, name in names.items()}
    return asked | {role: by_token(world, token) for role, token in bearers.items()}


def by_browser(browser: "Browser", page: str) -> Callable[[Route], int]:
    """Ask as a browser does, with the token of its forms."""

    def ask(route: Route) -> int:
        return status(browser, route, {}, "" if route.method == "GET" else browser.form_token(page))

    return ask


def by_token(world: "SampleLedger", token: str) -> Callable[[Route], int]:
    """Ask as a program does."""

    def ask(route: Route) -> int:
        browser = world.browser()
        return status(browser, route, {"Authorization": f"Bearer {token}"}, browser.form_token("/login"))

    return ask


def status(browser: "Browser", route: Route, headers: dict[str, str], csrf: str) -> int:
    """Ask for a route and return the answer's status."""
    given: dict[str, Any] = {"data": {"csrf": csrf, **route.form}}
    if route.body:
        given = {"data": route.body, "content_type": "application/json"}
    with browser.client.open(
        route.path,
        method=route.method,
        headers={"Accept": "text/html", **headers},
        **({} if route.method == "GET" else given),
    ) as answer:
        return int(answer.status_code)
