"""A password that was entered long ago is asked for again before an administrative change."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from tests.ledger.mariadb.accounts.conftest import PASSWORD

from ledger import clock as ledger_clock
from ledger.accounts import projects, users
from ledger.accounts.rate_limit import FREE_FAILURES
from ledger.accounts.tables import SESSION
from ledger.authorization import Access, needs_recent_login, required_access

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger


@pytest.fixture
def stale(world: "SampleLedger") -> "Browser":
    """An administrator's browser that was left open for a while."""
    browser = world.browser_of("ada")
    world.do(lambda c: c.execute(update(SESSION).values(authenticated=ledger_clock.now() - timedelta(minutes=31))))
    return browser


def test_every_form_for_administrators_needs_a_recent_password(world: "SampleLedger") -> None:
    forms = [
        rule.endpoint
        for rule in world.app.url_map.iter_rules()
        if "POST" in rule.methods and required_access(world.app, rule.endpoint) is Access.ADMINISTRATOR  # type: ignore[operator]
    ]

    assert len(forms) > 5
    assert all(needs_recent_login(world.app, endpoint) for endpoint in forms)


def test_a_stale_session_reads_and_changes_nothing_without_a_password(world: "SampleLedger", stale: "Browser") -> None:
    assert stale.get("/admin/users").status_code == 200
    answer = stale.send("/admin/users", name="nora", projects=["ours", "theirs"])

    assert answer.status_code == 403
    assert "Nothing was changed yet" in answer.text
    assert "nora" not in [account.name for account in world.do(users.all_accounts)]


def test_the_page_carries_the_form_along(world: "SampleLedger", stale: "Browser") -> None:
    asked = stale.send("/admin/users", name="nora", projects=["ours", "theirs"])
    carried = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', asked.text)
    fields: dict[str, list[str]] = {}
    for name, value in carried:
        fields.setdefault(name, []).append(value)
    answer = stale.client.post("/admin/users", data={**fields, "confirm_password": PASSWORD})

    assert answer.status_code == 200
    assert world.do(lambda c: users.get_account(c, "nora")).reads == ("ours", "theirs")
    assert stale.send("/admin/projects", name="later").status_code == 303  # the password counts for a while


def test_a_wrong_password_is_told_throttled_and_written_down(world: "SampleLedger", stale: "Browser") -> None:
    answers = [stale.send("/admin/projects", name="x", confirm_password="wrong") for _ in range(FREE_FAILURES + 1)]

    assert [answer.status_code for answer in answers] == [403] * FREE_FAILURES + [429]
    assert "This is not your password." in answers[0].text
    assert ("ada", "login refused", "ada") in world.log()
    assert "x" not in world.do(projects.names)


def test_the_password_itself_is_not_carried_along(stale: "Browser") -> None:
    answer = stale.send("/admin/projects", name="x", confirm_password="a wrong one")

    assert "a wrong one" not in answer.text


def test_a_session_of_an_older_version_counts_as_stale(world: "SampleLedger") -> None:
    browser = world.browser_of("ada")
    world.do(lambda c: c.execute(update(SESSION).values(authenticated=None)))

    assert browser.send("/admin/projects", name="x").status_code == 403
