"""The second factor: setting it up, the second step of a login, recovery codes, and the requirement to have one."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update
from tests.ledger.mariadb.accounts.conftest import CHOSEN, PASSWORD

from ledger import clock as ledger_clock
from ledger.__main__ import parser
from ledger.accounts import cli, second_factor, users
from ledger.accounts.rate_limit import FREE_FAILURES
from ledger.accounts.tables import ATTEMPT, PENDING_LOGIN, RECOVERY_CODE, SESSION

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger
    from werkzeug.test import TestResponse

PAGE = "/account/second-factor"
PAGES = ("/projects", "/projects/ours", "/account", PAGE, "/admin/users")
NOW = datetime(2026, 5, 4, 12, 0, 7)  # noqa: DTZ001 - as the tables store it
Forward = Callable[[timedelta], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Forward:
    """A clock that a test sets forward; it stands between two steps of a code."""
    time = [NOW]
    monkeypatch.setattr(ledger_clock, "now", lambda: time[0])

    def forward(by: timedelta) -> None:
        time[0] += by

    return forward


def code(secret: str, *, later: int = 0) -> str:
    """Return what a device shows, so many steps later."""
    return pyotp.TOTP(secret).at(int(ledger_clock.now().replace(tzinfo=UTC).timestamp()) + later * 30)


def device_of(world: "SampleLedger", name: str = "rita") -> str:
    """Return the secret that the account's device has."""
    account = world.do(lambda c: users.get_account(c, name)).id
    found: str = world.do(lambda c: second_factor.secret_of(c, account))
    return found


def shown_codes(answer: "TestResponse") -> list[str]:
    """Return the recovery codes on a page."""
    return answer.text.partition('class="secret"')[2].partition(">")[2].partition("<")[0].split()


def set_up(world: "SampleLedger", browser: "Browser", name: str = "rita") -> list[str]:
    """Set up the second factor in a browser, and return the recovery codes."""
    assert browser.send(f"{PAGE}/begin", page=PAGE).status_code == 303
    answer = browser.send(f"{PAGE}/confirm", page=PAGE, code=code(device_of(world, name)))
    assert answer.status_code == 200
    return shown_codes(answer)


def waiting(world: "SampleLedger", name: str = "rita", address: str = "192.0.2.1") -> "Browser":
    """Return a browser that has done the first step."""
    browser = world.browser(address)
    assert browser.log_in(name).headers["Location"].startswith("/login/code")
    return browser


def second_step(browser: "Browser", given: str, way: str = "") -> "TestResponse":
    """Send a code after the first step."""
    return browser.send("/login/code", code=given, next=way)


def is_in(browser: "Browser") -> bool:
    """Tell whether somebody is logged in."""
    return browser.get("/projects").status_code == 200


@pytest.fixture
def codes(world: "SampleLedger", clock: Forward) -> list[str]:
    """The recovery codes of rita, who has a second factor."""
    made = set_up(world, world.browser_of("rita"))
    clock(timedelta(seconds=60))
    return made


def test_the_secret_is_a_qr_code_and_a_text_until_it_is_confirmed(world: "SampleLedger", clock: Forward) -> None:
    browser = world.browser_of("rita")
    browser.send(f"{PAGE}/begin", page=PAGE)
    page, secret = browser.get(PAGE).text, device_of(world)

    assert secret in page
    assert re.search(r'<figure class="qr-code"[^>]*><svg ', page)
    assert "style=" not in page.partition("<svg")[2].partition("</svg>")[0]  # the Content-Security-Policy allows none
    answer = browser.send(f"{PAGE}/confirm", page=PAGE, code=code(secret))
    assert len(shown_codes(answer)) == second_factor.RECOVERY_CODES
    assert secret not in browser.get(PAGE).text
    assert world.log()[-1] == ("rita", "set up second factor", "rita")


def test_a_wrong_first_code_switches_nothing_on(world: "SampleLedger", clock: Forward) -> None:
    browser = world.browser_of("rita")
    browser.send(f"{PAGE}/begin", page=PAGE)
    answer = browser.send(f"{PAGE}/confirm", page=PAGE, code=code(device_of(world), later=9))

    assert answer.status_code == 422
    assert "This code is not right" in answer.text
    assert world.browser().log_in("rita").headers["Location"] == "/"


def test_a_first_code_cannot_be_guessed(world: "SampleLedger", clock: Forward) -> None:
    browser = world.browser_of("rita")
    browser.send(f"{PAGE}/begin", page=PAGE)
    asked = [browser.send(f"{PAGE}/confirm", page=PAGE, code="no code") for _ in range(FREE_FAILURES + 1)]

    assert [answer.status_code for answer in asked] == [422] * FREE_FAILURES + [429]


def test_the_password_alone_opens_nothing(world: "SampleLedger", codes: list[str]) -> None:
    browser = world.browser()
    answer = browser.log_in("rita", way="/projects/ours")
    assert answer.headers["Location"] == "/login/code?next=/projects/ours"
    assert browser.client.get_cookie("cloison_session") is None

    kept = browser.client.get_cookie("cloison_login")
    assert kept is not None
    for cookie in ("none", "cloison_session"):
        browser.client.set_cookie(cookie, kept.value)
        assert {path: browser.get(path).status_code for path in PAGES} == dict.fromkeys(PAGES, 303)


def test_a_code_of_the_device_is_the_second_step(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)
    answer = second_step(browser, code(device_of(world)), "/projects/ours")

    assert answer.headers["Location"] == "/projects/ours"
    assert is_in(browser)
    assert browser.client.get_cookie("cloison_login") is None
    assert world.log()[-1] == ("rita", "logged in", "rita")


def test_the_page_for_the_code_keeps_to_this_ledger(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)

    assert 'name="next" value="/"' in browser.get("/login/code?next=//evil.example").text
    assert second_step(browser, code(device_of(world)), "https://evil.example").headers["Location"] == "/"


@pytest.mark.parametrize(("later", "status"), [(-2, 422), (-1, 303), (0, 303), (1, 303), (2, 422)])
def test_a_clock_may_differ_by_one_step(
    world: "SampleLedger", codes: list[str], clock: Forward, later: int, status: int
) -> None:
    clock(timedelta(seconds=60))
    assert second_step(waiting(world), code(device_of(world), later=later)).status_code == status


@pytest.mark.parametrize("later", [0, -1])
def test_a_code_is_accepted_once_and_no_earlier_one_after_it(
    world: "SampleLedger", codes: list[str], clock: Forward, later: int
) -> None:
    clock(timedelta(seconds=60))
    first, second = waiting(world), waiting(world)
    assert second_step(first, code(device_of(world))).status_code == 303
    answer = second_step(second, code(device_of(world), later=later))

    assert answer.status_code == 422
    assert "it was used already" in answer.text
    assert not is_in(second)


def test_the_code_of_the_set_up_is_no_code_of_a_login(world: "SampleLedger", clock: Forward) -> None:
    set_up(world, world.browser_of("rita"))

    assert second_step(waiting(world), code(device_of(world))).status_code == 422


def test_two_requests_with_one_code_are_one_login(world: "SampleLedger", codes: list[str]) -> None:
    account = world.do(lambda c: users.get_account(c, "rita")).id
    given, now = code(device_of(world)), ledger_clock.now()
    with ThreadPoolExecutor(8) as crowd:
        accepted = crowd.map(lambda _: world.do(lambda c: second_factor.accept(c, account, given, now)), range(16))

        assert sum(accepted) == 1


@pytest.mark.parametrize("given", ["", "000000", "12345", "\uff11" * 6, "none-such-code-here", "x" * 300])
def test_a_wrong_code_is_told_and_written_down(world: "SampleLedger", codes: list[str], given: str) -> None:
    browser = waiting(world)
    answer = second_step(browser, given)

    assert answer.status_code == 422
    assert "This code is not right" in answer.text
    assert world.log()[-1] == ("nobody", "login refused", "rita")
    assert second_step(browser, code(device_of(world))).status_code == 303  # the login still waits


def test_codes_are_throttled_for_all_addresses(world: "SampleLedger", codes: list[str]) -> None:
    asked = [second_step(waiting(world, address=f"203.0.113.{n}"), "000000") for n in range(FREE_FAILURES + 1)]

    assert [answer.status_code for answer in asked] == [422] * FREE_FAILURES + [429]
    assert asked[-1].headers["Retry-After"] == "1"


def test_who_guesses_codes_does_not_delay_a_known_browser(world: "SampleLedger", codes: list[str]) -> None:
    known = waiting(world)
    second_step(known, code(device_of(world)))
    known.send("/logout", page="/account")
    guessing = waiting(world, address="203.0.113.1")
    for _ in range(FREE_FAILURES + 1):
        second_step(guessing, "000000")
    known.log_in("rita")

    assert second_step(known, code(device_of(world), later=1)).status_code == 303


def test_a_login_resets_the_counters_of_both_steps(world: "SampleLedger", codes: list[str]) -> None:
    browser = world.browser()
    browser.log_in("rita", "wrong")
    browser.log_in("rita")
    second_step(browser, "000000")
    second_step(browser, code(device_of(world)))

    # The wrong password is still counted where success says little: for the address, and for all networks.
    assert world.do(lambda c: list(c.scalars(select(ATTEMPT.c.failures)))) == [1, 1]


def test_a_login_that_waits_too_long_is_over(world: "SampleLedger", codes: list[str], clock: Forward) -> None:
    browser = waiting(world)
    form = browser.form_token("/login/code")
    clock(timedelta(minutes=11))
    answer = browser.client.post("/login/code", data={"csrf": form, "code": code(device_of(world))})

    assert answer.status_code == 422
    assert "This login took too long." in answer.text
    assert browser.get("/login/code").headers["Location"] == "/login"


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_a_login_that_waits_ends_with_a_change_of_the_account(
    world: "SampleLedger", codes: list[str], change: str
) -> None:
    browser, account = waiting(world), world.do(lambda c: users.get_account(c, "rita"))
    form = browser.form_token("/login/code")
    if change == "password":
        world.do(lambda c: users.set_password(c, account.id, "hash"))
    else:
        world.do(lambda c: users.set_role(c, account.id, is_administrator=False, disabled=ledger_clock.now()))
    answer = browser.client.post("/login/code", data={"csrf": form, "code": code(device_of(world))})

    assert answer.status_code == 422
    assert browser.client.get_cookie("cloison_session") is None


def test_a_waiting_login_is_used_once(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)
    kept = browser.client.get_cookie("cloison_login")
    assert kept is not None
    second_step(browser, code(device_of(world)))
    other = world.browser()
    other.client.set_cookie("cloison_login", kept.value)

    assert other.get("/login/code").headers["Location"] == "/login"
    assert world.do(lambda c: c.execute(select(PENDING_LOGIN)).all()) == []


def test_a_recovery_code_logs_in_once(world: "SampleLedger", codes: list[str]) -> None:
    typed = codes[3].upper().replace("-", " ")
    first, second = waiting(world), waiting(world)
    answer = second_step(first, typed)

    assert answer.headers["Location"] == PAGE
    assert "9 of 10 recovery codes are left" in first.get(PAGE).text
    assert ("rita", "used a recovery code", "rita") in world.log()
    assert second_step(second, typed).status_code == 422
    assert second_step(second, codes[4]).status_code == 303


def test_the_database_does_not_store_recovery_codes(world: "SampleLedger", codes: list[str]) -> None:
    stored = world.do(lambda c: list(c.scalars(select(RECOVERY_CODE.c.hash))))

    assert len(codes) == len(set(codes)) == len(stored) == second_factor.RECOVERY_CODES
    assert all(len(row) == 32 for row in stored)
    assert not any(one.replace("-", "").encode() in row for one in codes for row in stored)


def test_a_recovery_code_of_somebody_else_is_wrong(world: "SampleLedger", codes: list[str]) -> None:
    set_up(world, world.browser_of("theo"), "theo")

    assert second_step(waiting(world, "theo"), codes[0]).status_code == 422


def test_new_recovery_codes_replace_the_old_ones(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)
    second_step(browser, code(device_of(world)))
    fresh = shown_codes(browser.send(f"{PAGE}/recovery-codes", page=PAGE))
    other = waiting(world)

    assert not set(codes) & set(fresh)
    assert [second_step(other, one[0]).status_code for one in (codes, fresh)] == [422, 303]


def test_the_owner_removes_it(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)
    second_step(browser, code(device_of(world)))
    browser.send(f"{PAGE}/remove", page=PAGE)

    assert world.log()[-1] == ("rita", "removed second factor", "rita")
    assert is_in(world.browser_of("rita"))


def test_it_is_neither_changed_nor_removed_without_a_recent_password(
    world: "SampleLedger", codes: list[str], clock: Forward
) -> None:
    browser = waiting(world)
    second_step(browser, code(device_of(world)))
    clock(timedelta(hours=1))
    forms = ("begin", "recovery-codes", "remove")

    assert {form: browser.send(f"{PAGE}/{form}", page=PAGE).status_code for form in forms} == dict.fromkeys(forms, 403)
    assert browser.send(f"{PAGE}/remove", page=PAGE, confirm_password=PASSWORD).status_code == 303


def test_a_second_one_is_not_set_up_over_the_first(world: "SampleLedger", codes: list[str]) -> None:
    browser, before = waiting(world), device_of(world)
    second_step(browser, code(before))

    assert browser.send(f"{PAGE}/begin", page=PAGE).status_code == 422
    assert browser.send(f"{PAGE}/confirm", page=PAGE, code=code(before, later=1)).status_code == 422
    assert device_of(world) == before


def test_setting_it_up_ends_the_sessions_that_began_without_it(world: "SampleLedger", clock: Forward) -> None:
    old, here = world.browser_of("rita"), world.browser_of("rita")
    set_up(world, here)

    assert [is_in(old), is_in(here)] == [False, True]
    assert len(world.do(lambda c: c.execute(select(SESSION)).all())) == 1


def test_the_command_line_removes_it_and_ends_every_session(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)
    second_step(browser, code(device_of(world)))
    verb = "reset-second-factor"

    assert cli.run(world.engine, cli.VERBS[verb], parser().parse_args([verb, "rita"])) == 0
    assert not is_in(browser)
    assert is_in(world.browser_of("rita"))
    assert ("command line", "removed second factor", "rita") in world.log()


def test_the_command_line_ends_every_delay(world: "SampleLedger", codes: list[str]) -> None:
    browser = waiting(world)
    for _ in range(FREE_FAILURES):
        second_step(browser, "000000")
    for _ in range(FREE_FAILURES):
        browser.log_in("rita", "wrong")
    assert browser.log_in("rita").status_code == 429
    assert cli.run(world.engine, cli.VERBS["unlock"], parser().parse_args(["unlock", "rita"])) == 0

    assert second_step(waiting(world), code(device_of(world))).status_code == 303
    assert ("command line", "ended delays", "rita") in world.log()


@pytest.mark.parametrize(
    ("required", "led"),
    [
        ("none", {"rita": "", "ada": ""}),
        ("administrators", {"rita": "", "ada": PAGE}),
        ("all", {"rita": PAGE, "ada": PAGE}),
    ],
)
def test_whoever_must_have_one_sets_it_up_before_anything_else(
    world: "SampleLedger", required: str, led: dict[str, str]
) -> None:
    world.app.config["SETTINGS"] = replace(world.app.config["SETTINGS"], require_totp=required)

    assert {name: world.browser_of(name).get("/projects").headers.get("Location", "") for name in led} == led


def test_after_a_required_one_is_set_up_everything_is_open_and_it_stays(world: "SampleLedger", clock: Forward) -> None:
    world.app.config["SETTINGS"] = replace(world.app.config["SETTINGS"], require_totp="all")
    browser = world.browser_of("rita")
    set_up(world, browser)
    answer = browser.send(f"{PAGE}/remove", page=PAGE)

    assert is_in(browser)
    assert answer.status_code == 422
    assert "cannot be removed" in answer.text


def test_the_own_password_comes_before_a_required_second_factor(world: "SampleLedger") -> None:
    world.app.config["SETTINGS"] = replace(world.app.config["SETTINGS"], require_totp="all")
    account = world.do(lambda c: users.get_account(c, "rita"))
    world.do(lambda c: users.set_password(c, account.id, account.password, must_change_password=True))
    browser = world.browser_of("rita")
    assert browser.get("/projects").headers["Location"] == "/account"
    browser.send("/account", password=PASSWORD, new=CHOSEN, again=CHOSEN)

    assert browser.get("/projects").headers["Location"] == PAGE


def test_an_outdated_hash_is_replaced_in_the_first_step_too(world: "SampleLedger", codes: list[str]) -> None:
    account = world.do(lambda c: users.get_account(c, "rita"))
    weak = PasswordHasher(memory_cost=8, time_cost=2, parallelism=1).hash(PASSWORD)
    world.do(lambda c: users.rehash(c, account.id, weak))
    browser = waiting(world)

    assert second_step(browser, code(device_of(world))).status_code == 303
    assert "t=1" in world.do(lambda c: users.get_account(c, "rita")).password


def test_waiting_logins_that_ended_are_deleted(world: "SampleLedger", codes: list[str]) -> None:
    waiting(world)
    world.do(lambda c: c.execute(update(PENDING_LOGIN).values(ends=ledger_clock.now() - timedelta(seconds=1))))
    world.browser_of("theo")

    assert world.do(lambda c: c.execute(select(PENDING_LOGIN)).all()) == []
