"""Login, logout, and the change of one's password."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, update
from tests.ledger.mariadb.accounts.conftest import PASSWORD, QUICK

from ledger import clock as ledger_clock
from ledger.accounts import secret_tokens, sessions, users
from ledger.accounts.errors import BusyError
from ledger.accounts.passwords import Passwords
from ledger.accounts.tables import ATTEMPT, SESSION

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger

NEW = "another four words at least"


def is_in(browser: "Browser") -> bool:
    """Tell whether somebody is logged in."""
    return browser.get("/account").status_code == 200


def cookie(browser: "Browser", name: str = "cloison_session") -> str:
    """Return what the browser keeps."""
    found = browser.client.get_cookie(name)
    return found.value if found else ""


def test_the_front_page_of_an_anonymous_browser_is_the_login(world: "SampleLedger") -> None:
    browser = world.browser()
    answer = browser.get("/")

    assert answer.status_code == 200
    assert "ours" not in answer.text
    assert browser.send("/login", page="/", name="rita", password=PASSWORD, next="/").status_code == 303
    assert browser.get("/").headers["Location"] == "/projects"


def test_a_login_redirects_to_the_projects(world: "SampleLedger") -> None:
    browser = world.browser()

    assert browser.log_in("rita").headers["Location"] == "/"
    assert browser.get("/").headers["Location"] == "/projects"
    assert world.log() == [("rita", "logged in", "rita")]


def test_a_name_may_be_typed_with_capitals_and_blanks(world: "SampleLedger") -> None:
    assert world.browser().log_in(" Rita ").status_code == 303


@pytest.mark.parametrize(
    ("name", "password"), [("rita", "wrong"), ("nobody", PASSWORD), ("no name at all!", ""), ("", "")]
)
def test_the_error_does_not_say_what_was_wrong(world: "SampleLedger", name: str, password: str) -> None:
    browser = world.browser()
    answer = browser.log_in(name, password)

    assert answer.status_code == 422
    assert "There is no account with this name and this password." in answer.text
    assert 'aria-describedby="name-error"' in answer.text
    assert not cookie(browser)


def test_a_disabled_account_gets_the_same_error(world: "SampleLedger") -> None:
    world.do(
        lambda c: users.set_role(
            c, users.get_account(c, "rita").id, is_administrator=False, disabled=ledger_clock.now()
        )
    )
    answer = world.browser().log_in("rita")

    assert answer.status_code == 422
    assert "There is no account with this name and this password." in answer.text


def test_an_account_that_does_not_exist_costs_as_many_hashes(world: "SampleLedger") -> None:
    hashes: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
            """Count what is worked on."""
            hashes.append(str(hash))
            return super().verify(hash, password)

    world.app.extensions["passwords"] = Passwords(Counting(memory_cost=8, time_cost=1, parallelism=1))
    world.browser().log_in("rita", "wrong")
    world.browser().log_in("nobody", "wrong")

    assert len(hashes) == 2
    assert len({kept.rsplit("$", 2)[0] for kept in hashes}) == 1


@pytest.mark.parametrize(
    ("way", "led_to"),
    [
        ("/projects/ours?page=2", "/projects/ours?page=2"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ],
)
def test_a_login_redirects_to_the_requested_page_and_never_to_another_site(
    world: "SampleLedger", way: str, led_to: str
) -> None:
    assert world.browser().log_in("rita", way=way).headers["Location"] == led_to


def test_a_page_leads_to_the_login_and_back(world: "SampleLedger") -> None:
    asked = world.browser().get("/admin/tokens?project=ours")

    assert asked.status_code == 303
    assert asked.headers["Location"] == "/login?next=/admin/tokens?project%3Dours"


def test_scripts_and_other_sites_cannot_use_the_cookies(world: "SampleLedger") -> None:
    given = world.browser().log_in("rita").headers.getlist("Set-Cookie")

    kept = [line for line in given if not line.startswith("cloison_visitor=;")]
    assert [line.partition("=")[0] for line in kept] == ["cloison_session", "cloison_device"]
    assert all("HttpOnly; Path=/; SameSite=Lax" in line and "Secure" not in line for line in kept)


def test_over_https_the_cookies_are_bound_to_this_host(world: "SampleLedger") -> None:
    browser = world.browser()
    browser.headers["X-Forwarded-Proto"] = "https"
    browser.headers["Referer"] = "https://localhost/login"
    page = browser.client.get("/login", headers=browser.headers, base_url="https://localhost")

    (line,) = page.headers.getlist("Set-Cookie")
    assert line.startswith("__Host-cloison_visitor=")
    assert "Secure" in line
    assert "Domain" not in line


def test_a_login_makes_a_new_session_and_ends_the_old_one(world: "SampleLedger") -> None:
    browser = world.browser()
    browser.client.set_cookie("cloison_session", "chosen by somebody else")
    browser.log_in("rita")
    first = cookie(browser)
    assert first != "chosen by somebody else"

    browser.client.delete_cookie("cloison_session")
    page = browser.form_token("/login")
    browser.client.set_cookie("cloison_session", first)
    browser.client.post("/login", data={"csrf": page, "name": "rita", "password": PASSWORD})

    assert cookie(browser) != first
    assert world.do(lambda c: sessions.find(c, first, ledger_clock.now())) is None


def test_the_database_does_not_store_a_session_s_secret(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    kept = world.do(lambda c: c.scalar(SESSION.select().with_only_columns(SESSION.c.hash)))

    assert kept == secret_tokens.digest(cookie(browser))


def test_a_logout_ends_the_session_and_not_only_the_cookie(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    value = cookie(browser)
    browser.send("/logout", page="/account")
    assert not cookie(browser)

    browser.client.set_cookie("cloison_session", value)
    assert not is_in(browser)


@pytest.mark.parametrize(
    ("column", "age", "still"),
    [
        ("last_seen", timedelta(hours=7, minutes=50), True),
        ("last_seen", timedelta(hours=8, minutes=1), False),
        ("ends", timedelta(), False),
    ],
)
def test_a_session_ends_by_itself(world: "SampleLedger", column: str, age: timedelta, still: bool) -> None:
    browser = world.browser_of("rita")
    world.do(lambda c: c.execute(update(SESSION).values({column: ledger_clock.now() - age})))

    assert is_in(browser) is still


def test_using_a_session_keeps_it_and_is_written_down_once_a_minute(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    for age, written in ((timedelta(seconds=30), False), (timedelta(minutes=5), True)):
        before = ledger_clock.now().replace(microsecond=0) - age
        with world.engine.begin() as connection:
            connection.execute(update(SESSION).values(last_seen=before))
        assert is_in(browser)

        seen = world.do(lambda c: c.scalar(SESSION.select().with_only_columns(SESSION.c.last_seen)))
        assert (seen != before) is written


def test_disabling_an_account_ends_its_sessions_at_once(world: "SampleLedger") -> None:
    browser = world.browser_of("rita")
    world.browser_of("ada").send("/admin/users/rita/standing", page="/admin/users/rita", disabled="1")

    assert not is_in(browser)


def test_a_new_password_ends_every_other_session(world: "SampleLedger") -> None:
    here, there = world.browser_of("rita"), world.browser_of("rita")
    before = cookie(here)
    answer = here.send("/account", password=PASSWORD, new=NEW, again=NEW)

    assert answer.status_code == 303
    assert "Every other session" in here.get(answer.headers["Location"]).text
    assert cookie(here) != before
    assert is_in(here)
    assert not is_in(there)
    assert world.browser().log_in("rita", PASSWORD).status_code == 422
    assert world.browser().log_in("rita", NEW).status_code == 303


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"password": "wrong", "new": NEW, "again": NEW}, "This is not your password."),
        ({"password": PASSWORD, "new": NEW, "again": "other"}, "The two passwords are not the same."),
        ({"password": PASSWORD, "new": "short", "again": "short"}, "at least 12 characters"),
        ({"password": PASSWORD, "new": "x" * 300, "again": "x" * 300}, "at most 256 characters"),
        ({"password": PASSWORD, "new": "the famous Rita sings", "again": "the famous Rita sings"}, "too easy"),
        ({"password": PASSWORD, "new": "aaaaaaaabbbb", "again": "aaaaaaaabbbb"}, "too easy"),
    ],
)
def test_a_bad_new_password_changes_nothing(world: "SampleLedger", fields: dict[str, str], told: str) -> None:
    browser = world.browser_of("rita")
    answer = browser.send("/account", **fields)

    assert answer.status_code == 422
    assert told in answer.text
    assert is_in(browser)
    assert world.browser().log_in("rita").status_code == 303


def test_an_outdated_hash_is_replaced_at_the_login(world: "SampleLedger") -> None:
    world.add("olga")
    weak = PasswordHasher(memory_cost=8, time_cost=2, parallelism=1).hash(PASSWORD)
    world.do(lambda c: users.rehash(c, users.get_account(c, "olga").id, weak))
    world.browser_of("olga")

    assert "m=8,t=1,p=1" in world.do(lambda c: users.get_account(c, "olga")).password
    assert world.browser().log_in("olga").status_code == 303


def test_the_log_has_no_name_without_an_account(world: "SampleLedger") -> None:
    world.browser().log_in(PASSWORD, "typed into the wrong field")

    assert world.log() == [("nobody", "login refused", "a name that no account has")]


def test_a_password_that_changes_during_the_check_is_refused(world: "SampleLedger") -> None:
    class Meanwhile(Passwords):
        def matches(self, kept: str | None, password: str) -> bool:
            """Look at it, and have it changed by somebody else before the answer."""
            is_right = super().matches(kept, password)
            world.do(lambda c: users.set_password(c, users.get_account(c, "rita").id, self.hashed(NEW)))
            return is_right

    world.app.extensions["passwords"] = Meanwhile(QUICK)
    browser = world.browser()
    answer = browser.log_in("rita")

    assert answer.status_code == 422
    assert "This account was changed a moment ago." in answer.text
    assert not cookie(browser)


def test_an_attempt_that_meets_a_full_queue_is_not_counted(world: "SampleLedger") -> None:
    class Crowded(Passwords):
        def matches(self, kept: str | None, password: str) -> bool:  # noqa: ARG002
            """Have no room."""
            raise BusyError

    world.app.extensions["passwords"] = Crowded(QUICK)
    answer = world.browser().log_in("rita")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "3"
    assert "Many people are logging in at this moment" in answer.text
    assert world.do(lambda c: c.scalar(ATTEMPT.select().with_only_columns(func.max(ATTEMPT.c.failures)))) == 0
