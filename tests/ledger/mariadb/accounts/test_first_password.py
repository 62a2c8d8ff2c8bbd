"""A password that somebody else made is changed before anything else is done."""

from typing import TYPE_CHECKING

import pytest
from tests.ledger.mariadb.accounts.conftest import CHOSEN, PASSWORD
from tests.ledger.mariadb.accounts.test_admin_views import shown

from ledger.accounts import users

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger


def added(world: "SampleLedger") -> str:
    """Return the password of `nora`, whom an administrator has just added."""
    return shown(world.browser_of("ada").send("/admin/users", name="nora", projects=["ours"]))


def test_every_page_leads_to_the_choice_of_a_password(world: "SampleLedger") -> None:
    password = added(world)
    browser = world.browser_of("nora", password)
    answers = {path: browser.get(path) for path in ("/projects", "/projects/ours", "/account/sessions", "/admin/users")}

    assert {path: answer.headers["Location"] for path, answer in answers.items()} == dict.fromkeys(answers, "/account")
    assert "Somebody else has seen the password" in browser.get("/account").text


def test_a_program_is_told_in_a_sentence(world: "SampleLedger") -> None:
    browser = world.browser_of("nora", added(world))
    answer = browser.get("/projects", headers={"Accept": "application/json"})

    assert answer.status_code == 403
    assert "Choose a password that only you know first" in answer.json["error"]["detail"]  # type: ignore[index]


def test_after_the_choice_everything_is_open(world: "SampleLedger") -> None:
    browser = world.browser_of_new("nora", added(world))

    assert browser.get("/projects/ours").status_code == 200
    assert "Somebody else has seen" not in browser.get("/account").text
    assert world.browser_of("nora", CHOSEN).get("/projects/ours").status_code == 200


def test_the_same_password_is_no_choice(world: "SampleLedger") -> None:
    password = added(world)
    browser = world.browser_of("nora", password)
    answer = browser.send("/account", password=password, new=password, again=password)

    assert answer.status_code == 422
    assert "This is the current password." in answer.text
    assert browser.get("/projects").status_code == 303


def test_a_reset_password_is_changed_too(world: "SampleLedger") -> None:
    password = shown(world.browser_of("ada").send("/admin/users/rita/password", page="/admin/users/rita"))

    assert world.browser_of("rita", password).get("/projects").headers["Location"] == "/account"


@pytest.mark.parametrize("name", ["rita", "ada"])
def test_accounts_of_before_keep_their_password(world: "SampleLedger", name: str) -> None:
    assert world.do(lambda c: users.get_account(c, name)).must_change_password is False
    assert world.browser_of(name, PASSWORD).get("/projects").status_code == 200
