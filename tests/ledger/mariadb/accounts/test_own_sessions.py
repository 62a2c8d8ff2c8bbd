"""The list of one's own sessions, and how they are ended."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update
from tests.ledger.mariadb.accounts.conftest import PASSWORD

from ledger import clock as ledger_clock
from ledger.accounts.browser_names import browser_name
from ledger.accounts.tables import DEVICE, SESSION

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 "
    "Edg/140.0"
)
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 (KHTML, like Gecko) Safari/604.1"


def browser_of(world: "SampleLedger", name: str, user_agent: str = FIREFOX, address: str = "192.0.2.1") -> "Browser":
    """Return a browser with a name of its own, in which somebody has logged in."""
    browser = world.browser(address)
    browser.headers["User-Agent"] = user_agent
    assert browser.log_in(name).status_code == 303
    return browser


def is_in(browser: "Browser") -> bool:
    """Tell whether somebody is logged in."""
    return browser.get("/account").status_code == 200


def listed(browser: "Browser") -> list[str]:
    """Return the ids of the sessions that the page has a button for."""
    return re.findall(r'name="session" value="([0-9a-f]{64})"', browser.get("/account/sessions").text)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Android"),
        (EDGE, "Edge on Windows"),
        (SAFARI, "Safari on an iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "unknown browser"),
        ("<script>alert(1)</script>" * 99, "unknown browser"),
    ],
)
def test_a_browser_is_named_as_people_know_it(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name


def test_the_list_shows_every_session_and_which_one_is_this(world: "SampleLedger") -> None:
    browser_of(world, "rita", CHROME, "203.0.113.7")
    here = browser_of(world, "rita")
    browser_of(world, "theo", EDGE, "198.51.100.9")
    page = here.get("/account/sessions").text

    assert re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', page) == [
        ("Firefox on Linux", "192.0.2.1"),
        ("Chrome on Android", "203.0.113.7"),
    ] or re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', page) == [
        ("Chrome on Android", "203.0.113.7"),
        ("Firefox on Linux", "192.0.2.1"),
    ]
    assert page.count("this browser") == 1
    assert len(listed(here)) == 1


def test_a_session_that_has_ended_by_itself_is_not_listed(world: "SampleLedger") -> None:
    browser_of(world, "rita", CHROME)
    world.do(lambda c: c.execute(update(SESSION).values(last_seen=ledger_clock.now() - timedelta(hours=9))))

    assert listed(browser_of(world, "rita")) == []


def test_one_session_is_ended_and_the_others_stay(world: "SampleLedger") -> None:
    lost, kept, here = (browser_of(world, "rita", agent) for agent in (CHROME, EDGE, FIREFOX))
    page = here.get("/account/sessions").text
    (session,) = re.findall(r'Chrome on Android</th>.*?name="session" value="([0-9a-f]{64})"', page, re.DOTALL)
    answer = here.send("/account/sessions/end", page="/account/sessions", session=session)

    assert answer.status_code == 303
    assert "1 session was ended" in here.get(answer.headers["Location"]).text
    assert [is_in(browser) for browser in (lost, kept, here)] == [False, True, True]
    assert world.log()[-1] == ("rita", "ended sessions", "rita")


@pytest.mark.parametrize("session", ["", "none", "00" * 32, "é", "0" * 63])
def test_a_session_that_is_not_there_is_a_sentence(world: "SampleLedger", session: str) -> None:
    answer = browser_of(world, "rita").send("/account/sessions/end", page="/account/sessions", session=session)

    assert answer.status_code == 422
    assert "This session has ended already." in answer.text


def test_nobody_ends_the_session_of_somebody_else(world: "SampleLedger") -> None:
    theirs = browser_of(world, "theo")
    session = world.do(lambda c: c.scalar(select(SESSION.c.hash))).hex()
    answer = browser_of(world, "ada").send("/account/sessions/end", page="/account/sessions", session=session)

    assert answer.status_code == 422
    assert is_in(theirs)


def test_all_other_sessions_end_and_their_browsers_are_forgotten(world: "SampleLedger") -> None:
    lost, here, theirs = browser_of(world, "rita", CHROME), browser_of(world, "rita"), browser_of(world, "theo")
    here.send("/account/sessions/end-others", page="/account/sessions")

    assert [is_in(browser) for browser in (lost, here, theirs)] == [False, True, True]
    assert world.do(lambda c: len(c.execute(select(DEVICE)).all())) == 2  # this browser's, and that of theo
    assert world.log()[-1] == ("rita", "ended sessions", "rita: all others")


def test_a_logout_everywhere_ends_this_session_too(world: "SampleLedger") -> None:
    browsers = [browser_of(world, "rita", CHROME), browser_of(world, "rita")]
    answer = browsers[1].send("/account/sessions/end-all", page="/account/sessions")

    assert answer.headers["Location"] == "/"
    assert [is_in(browser) for browser in browsers] == [False, False]
    assert world.do(lambda c: len(c.execute(select(DEVICE)).all())) == 0
    assert browsers[1].client.get_cookie("cloison_session") is None
    assert browsers[1].log_in("rita", PASSWORD).status_code == 303
