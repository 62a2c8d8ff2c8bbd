"""The login at an OpenID provider, with a real one."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
from sqlalchemy import select, update
from tests.ledger.mariadb.accounts import openid
from tests.ledger.mariadb.accounts.conftest import PASSWORD
from tests.ledger.mariadb.accounts.openid import OpenIdProvider, answer_of, log_in

from ledger import clock as ledger_clock
from ledger.__main__ import parser
from ledger.accounts import cli, identities, second_factor, users
from ledger.accounts.tables import IDENTITY, PROVIDER_LOGIN, SECOND_FACTOR, SESSION
from ledger.egress_proxy import EgressProxy

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with openid.running(tmp_path_factory.mktemp("openid")) as running:
        yield running


@pytest.fixture
def linked(world: "SampleLedger", provider: OpenIdProvider) -> "SampleLedger":
    """A ledger with a provider, at which `r1` is rita."""
    openid.use(world.app, provider.settings())
    link(world, provider, "rita", "r1")
    return world


@contextmanager
def egress_proxy(targets: set[tuple[str, int]]) -> Iterator[str]:
    """Have the egress proxy running in another thread, and return its address."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(EgressProxy(targets).serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), loop).result(5)  # it closes what the clients have closed
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def link(world: "SampleLedger", provider: OpenIdProvider, name: str, subject: str) -> None:
    """Link an account to a subject."""
    number = world.do(lambda c: users.get_account(c, name)).id
    world.do(lambda c: identities.link(c, number, provider.issuer, subject, ledger_clock.now()))


def links(world: "SampleLedger") -> list[str]:
    """Return every linked subject."""
    return list(world.do(lambda c: list(c.scalars(select(IDENTITY.c.subject)))))


def is_in(browser: "Browser") -> bool:
    """Tell whether somebody is logged in."""
    return browser.get("/projects").status_code == 200


def changed(address: str, **fields: str) -> str:
    """Return an address with other values in its query."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | fields
    return urlunsplit(parts._replace(query=urlencode({name: value for name, value in query.items() if value})))


def test_without_a_provider_there_is_no_such_login(world: "SampleLedger") -> None:
    assert "/login/oidc" not in world.browser().get("/login").text
    assert {world.browser().get(path).status_code for path in ("/login/oidc",)} == {404}


def test_the_login_page_offers_the_provider(linked: "SampleLedger") -> None:
    page = linked.browser().get("/login?next=/projects/ours").text

    assert 'href="/login/oidc?next=/projects/ours"' in page
    assert "Log in with single sign-on" in page
    assert 'name="password"' in page


def test_the_way_there_carries_pkce_state_and_nonce(linked: "SampleLedger", provider: OpenIdProvider) -> None:
    browser = linked.browser()
    address = browser.get("/login/oidc").headers["Location"]
    query = parse_qs(urlsplit(address).query)

    assert address.startswith(f"{provider.issuer}/auth?")
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [openid.CALLBACK]
    assert len({*query["state"], *query["nonce"], *query["code_challenge"]}) == 3
    kept = browser.client.get_cookie("cloison_provider")
    assert kept is not None
    assert kept.http_only
    assert kept.value not in address


def test_a_linked_identity_is_logged_in(linked: "SampleLedger") -> None:
    browser = linked.browser()
    answer = log_in(browser, "r1", "/login/oidc?next=/projects/ours")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/projects/ours")
    assert browser.get("/projects/ours").status_code == 200
    assert browser.client.get_cookie("cloison_provider") is None
    assert linked.log() == [("rita", "logged in", "rita, at the OpenID provider")]


def test_an_unknown_identity_opens_nothing_and_names_nobody(linked: "SampleLedger") -> None:
    browser = linked.browser()
    answer = log_in(browser, "stranger")

    assert answer.status_code == 403
    assert "This login belongs to no account of this ledger yet." in answer.text
    assert not is_in(browser)
    assert linked.log() == [("nobody", "login refused", "an identity that opens no account")]


def test_a_disabled_account_stays_closed(linked: "SampleLedger") -> None:
    rita = linked.do(lambda c: users.get_account(c, "rita")).id
    linked.do(lambda c: users.set_role(c, rita, is_administrator=False, disabled=ledger_clock.now()))
    answer = log_in(linked.browser(), "r1")

    assert answer.status_code == 403
    assert "This account is disabled." in answer.text


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("nonce", "The answer of the login provider is not valid (nonce)."),
        ("code_challenge", "The login provider refused this login (invalid_grant)."),
        ("state", "This answer of the login provider is not for this browser."),
    ],
)
def test_an_answer_to_another_request_is_refused(linked: "SampleLedger", field: str, told: str) -> None:
    browser = linked.browser()
    address = browser.get("/login/oidc").headers["Location"]
    answer = browser.get(answer_of(changed(address, **{field: "A" * 43}), "r1"))

    assert answer.status_code == 400
    assert told in answer.text
    assert not is_in(browser)


def test_an_answer_for_another_browser_is_refused(linked: "SampleLedger") -> None:
    """An attacker cannot log a victim in to the attacker's account."""
    attacker, victim = linked.browser(), linked.browser()
    path = answer_of(attacker.get("/login/oidc").headers["Location"], "r1")
    assert victim.get(path).status_code == 400
    victim.get("/login/oidc")

    assert "is not for this browser" in victim.get(path).text
    assert not is_in(victim)


def test_an_answer_counts_once(linked: "SampleLedger") -> None:
    browser = linked.browser()
    path = answer_of(browser.get("/login/oidc").headers["Location"], "r1")
    cookie = browser.client.get_cookie("cloison_provider")
    assert cookie is not None
    assert browser.get(path).status_code == 303
    again = linked.browser()
    again.client.set_cookie("cloison_provider", cookie.value)

    assert "it was finished already" in again.get(path).text
    assert not is_in(again)


def test_an_answer_that_comes_late_is_refused(linked: "SampleLedger") -> None:
    browser = linked.browser()
    path = answer_of(browser.get("/login/oidc").headers["Location"], "r1")
    linked.do(lambda c: c.execute(update(PROVIDER_LOGIN).values(ends=ledger_clock.now() - timedelta(seconds=1))))

    assert browser.get(path).status_code == 400
    linked.browser_of("theo")
    assert linked.do(lambda c: c.execute(select(PROVIDER_LOGIN)).all()) == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"error": "access_denied"}, "You were not logged in at the login provider."),
        ({"error": "server_error"}, "The login provider reported an error."),
        ({"code": "made-up"}, "The login provider refused this login (invalid_grant)."),
        ({"code": "made-up", "iss": "https://evil.example"}, "from another login provider"),
    ],
)
def test_a_refusal_of_the_provider_is_a_sentence(linked: "SampleLedger", query: dict[str, str], told: str) -> None:
    browser = linked.browser()
    state = parse_qs(urlsplit(browser.get("/login/oidc").headers["Location"]).query)["state"][0]
    answer = browser.get(f"/login/oidc/callback?{urlencode({'state': state, **query})}")

    assert answer.status_code == 400
    assert told in answer.text


def test_another_site_cannot_begin_a_login(linked: "SampleLedger") -> None:
    answer = linked.browser().get("/login/oidc", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403


def test_a_provider_that_is_away_is_told_and_passwords_go_on(world: "SampleLedger", provider: OpenIdProvider) -> None:
    gone = f"http://127.0.0.1:{openid.free_port()}"
    openid.use(world.app, provider.settings(issuer=gone))
    browser = world.browser()
    answer = browser.get("/login/oidc")

    assert answer.status_code == 503
    assert "The login provider does not answer." in answer.text
    assert browser.log_in("rita", PASSWORD).status_code == 303


def test_a_provider_that_goes_away_during_the_login_is_told(world: "SampleLedger", tmp_path: Path) -> None:
    with openid.running(tmp_path) as short:
        openid.use(world.app, short.settings())
        browser = world.browser()
        path = answer_of(browser.get("/login/oidc").headers["Location"], "r1")
    answer = browser.get(path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert "The login provider does not answer." in answer.text


def test_over_https_and_the_egress_proxy(world: "SampleLedger", tmp_path: Path) -> None:
    key, made = openid.certificate(tmp_path)
    with openid.running(tmp_path, key, made) as encrypted:
        port = urlsplit(encrypted.issuer).port
        assert port is not None
        link(world, encrypted, "rita", "r1")
        statuses = {}
        here, elsewhere = {("127.0.0.1", port)}, {("127.0.0.1", 1)}
        for targets, ca_file in ((here, made), (elsewhere, made), (here, "")):
            with egress_proxy(targets) as proxy:
                openid.use(world.app, encrypted.settings(proxy=proxy, ca_file=ca_file))
                browser = world.browser()
                answer = browser.get("/login/oidc")
                if answer.status_code == 303:
                    answer = browser.get(answer_of(answer.headers["Location"], "r1", made))
                statuses[targets is here, bool(ca_file)] = answer.status_code

    assert statuses == {(True, True): 303, (False, True): 503, (True, False): 503}


def test_a_wrong_client_secret_is_told(world: "SampleLedger", provider: OpenIdProvider, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong", encoding="utf-8")
    openid.use(world.app, provider.settings(client_secret_file=wrong))

    assert "refused this login (invalid_client)" in log_in(world.browser(), "r1").text


@pytest.mark.parametrize(
    ("changed_settings", "told"),
    [
        ({"client_secret_file": Path("/nowhere")}, "cannot read its client secret"),
        ({"issuer": "https://127.0.0.1:1", "ca_file": "/nowhere"}, "The login provider does not answer."),
    ],
)
def test_a_file_that_is_missing_is_not_a_missing_database(
    world: "SampleLedger", provider: OpenIdProvider, changed_settings: dict[str, Any], told: str
) -> None:
    openid.use(world.app, provider.settings(**changed_settings))
    answer = world.browser().get("/login/oidc")

    assert answer.status_code == 503
    assert told in answer.text


def test_a_provider_with_another_name_is_refused(world: "SampleLedger", provider: OpenIdProvider) -> None:
    openid.use(world.app, provider.settings(issuer=f"{provider.issuer}/"))

    assert "names itself differently" in world.browser().get("/login/oidc").text


def test_a_verified_address_finds_its_account_and_links_it(world: "SampleLedger", provider: OpenIdProvider) -> None:
    openid.use(world.app, provider.settings(account_rule="email"))
    world.add("nora@example.org", "ours")
    assert log_in(world.browser(), "nora").status_code == 303

    assert links(world) == ["nora"]
    assert world.log()[0] == ("nora@example.org", "linked identity", "nora@example.org")


@pytest.mark.parametrize(
    ("subject", "rule", "told"),
    [
        ("unverified-nora", "email", "has not verified your e-mail address"),
        ("nameless-nora", "email", "has not verified your e-mail address"),
        ("nobody", "email", "There is no account nobody@example.org in this ledger."),
        ("No Name!", "preferred_username", "gives no preferred_username that can be the name of an account"),
    ],
)
def test_an_identity_that_the_rule_leads_nowhere_opens_nothing(
    world: "SampleLedger", provider: OpenIdProvider, subject: str, rule: str, told: str
) -> None:
    openid.use(world.app, provider.settings(account_rule=rule))
    world.add("nora@example.org", "ours")
    browser = world.browser()
    answer = log_in(browser, subject)

    assert answer.status_code == 403
    assert told in answer.text
    assert links(world) == []
    assert not is_in(browser)


def test_a_name_that_changed_hands_does_not_open_the_account(world: "SampleLedger", provider: OpenIdProvider) -> None:
    openid.use(world.app, provider.settings(account_rule="email"))
    world.add("nora@example.org", "ours")
    link(world, provider, "nora@example.org", "the nora of before")
    answer = log_in(world.browser(), "nora")

    assert answer.status_code == 403
    assert "linked to another login already" in answer.text


def test_an_unknown_user_gets_an_account_that_reads_nothing_where_it_is_wanted(
    world: "SampleLedger", provider: OpenIdProvider
) -> None:
    openid.use(world.app, provider.settings(account_rule="preferred_username", creates_accounts=True))
    browser = world.browser()
    assert log_in(browser, "nora").status_code == 303
    account = world.do(lambda c: users.get_account(c, "nora"))

    assert (account.is_administrator, account.reads) == (False, ())
    assert is_in(browser)
    assert browser.get("/projects/ours").status_code == 404
    assert world.browser().log_in("nora", identities.NO_PASSWORD).status_code == 422


def test_it_may_be_the_only_login(world: "SampleLedger", provider: OpenIdProvider) -> None:
    openid.use(world.app, provider.settings(is_only_login=True, name="Example ID"))
    link(world, provider, "rita", "r1")
    page = world.browser().get("/login").text
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    browser = world.browser()

    assert "Log in with Example ID" in page
    assert 'name="password"' not in page
    assert token is None
    assert browser.client.post("/login", data={"name": "rita", "password": PASSWORD}).status_code == 403
    assert log_in(browser, "r1").status_code == 303


def test_the_second_factor_of_this_ledger_is_asked_after_the_provider(linked: "SampleLedger") -> None:
    rita, now = linked.do(lambda c: users.get_account(c, "rita")).id, ledger_clock.now()
    linked.do(lambda c: second_factor.begin(c, rita, now))
    linked.do(lambda c: c.execute(update(SECOND_FACTOR).values(confirmed=now)))
    browser = linked.browser()

    assert log_in(browser, "r1").headers["Location"] == "/login/code?next=/"
    assert not is_in(browser)


def test_a_password_of_somebody_else_s_making_does_not_matter_to_the_provider(linked: "SampleLedger") -> None:
    rita = linked.do(lambda c: users.get_account(c, "rita"))
    linked.do(lambda c: users.set_password(c, rita.id, rita.password, must_change_password=True))
    by_provider, by_password = linked.browser(), linked.browser_of("rita")
    log_in(by_provider, "r1")

    assert [is_in(by_provider), is_in(by_password)] == [True, False]


def test_a_user_links_the_own_account_and_removes_the_link(world: "SampleLedger", provider: OpenIdProvider) -> None:
    openid.use(world.app, provider.settings())
    browser = world.browser_of("rita")
    page = browser.send("/account/oidc/link", page="/account").text
    address = re.search(r'class="button" href="([^"]+)"', page)
    assert address
    assert browser.get(answer_of(address[1].replace("&amp;", "&"), "r1")).headers["Location"] == "/account"
    assert "<code>r1</code>" in browser.get("/account").text
    assert log_in(world.browser(), "r1").status_code == 303

    browser.send("/account/oidc/unlink", page="/account")
    assert links(world) == []
    assert [what for _, what, _ in world.log()] == ["logged in", "linked identity", "logged in", "unlinked identity"]


def test_an_identity_is_linked_to_one_account_only(linked: "SampleLedger") -> None:
    browser = linked.browser_of("theo")
    page = browser.send("/account/oidc/link", page="/account").text
    address = re.search(r'class="button" href="([^"]+)"', page)
    assert address
    answer = browser.get(answer_of(address[1].replace("&amp;", "&"), "r1"))

    assert answer.status_code == 403
    assert "linked to another login already, or the login to another account" in answer.text
    assert links(linked) == ["r1"]


def test_a_link_that_another_session_began_is_refused(linked: "SampleLedger") -> None:
    theo, rita = linked.browser_of("theo"), linked.browser_of("ada")
    page = theo.send("/account/oidc/link", page="/account").text
    address = re.search(r'class="button" href="([^"]+)"', page)
    assert address
    cookie = theo.client.get_cookie("cloison_provider")
    assert cookie is not None
    rita.client.set_cookie("cloison_provider", cookie.value)
    answer = rita.get(answer_of(address[1].replace("&amp;", "&"), "r2"))

    assert answer.status_code == 403
    assert links(linked) == ["r1"]


@pytest.mark.parametrize(("subject", "status"), [("a1", 303), ("r1", 403)])
def test_a_login_there_counts_as_a_recent_password(
    linked: "SampleLedger", provider: OpenIdProvider, subject: str, status: int
) -> None:
    link(linked, provider, "ada", "a1")
    browser = linked.browser_of("ada")
    linked.do(lambda c: c.execute(update(SESSION).values(authenticated=None)))
    assert "log in again with single sign-on" in browser.send("/admin/projects", name="x").text
    assert log_in(browser, subject, "/account/oidc/confirm").status_code == status

    assert browser.send("/admin/projects", name="x").status_code == status


def test_the_operator_links_and_unlinks(
    world: "SampleLedger", provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    openid.use(world.app, provider.settings())
    monkeypatch.setenv("LEDGER_OIDC_ISSUER", provider.issuer)

    def run(*argv: str) -> int:
        return cli.run(world.engine, cli.VERBS[argv[0]], parser().parse_args(argv))

    assert [run("link-identity", "rita", "r1"), run("link-identity", "theo", "r1")] == [0, 1]
    assert log_in(world.browser(), "r1").status_code == 303
    assert [run("unlink-identity", "rita"), run("unlink-identity", "rita")] == [0, 1]
    assert log_in(world.browser(), "r1").status_code == 403


def test_the_operator_needs_a_provider_to_link(world: "SampleLedger", capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["link-identity", "rita", "r1"]

    assert cli.run(world.engine, cli.VERBS[argv[0]], parser().parse_args(argv)) == 1
    assert "set LEDGER_OIDC_ISSUER" in capsys.readouterr().err
