"""Protection against cross-site request forgery."""

from typing import TYPE_CHECKING

import pytest
from tests.ledger.mariadb.accounts.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger

FORMS = [
    ("/logout", {}),
    ("/account", {"password": PASSWORD, "new": "another four words", "again": "another four words"}),
    ("/admin/projects", {"name": "planted"}),
    ("/admin/users", {"name": "planted", "is_administrator": "1"}),
    ("/admin/users/ada/password", {}),
    ("/admin/tokens", {"project": "ours", "name": "planted", "may_read": "1"}),
]


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
@pytest.mark.parametrize(("path", "fields"), FORMS, ids=[path for path, _ in FORMS])
def test_without_the_token_of_its_session_a_form_does_nothing(
    world: "SampleLedger", path: str, fields: dict[str, str], token: str
) -> None:
    browser = world.browser_of("ada")
    log = world.log()
    answer = browser.client.post(path, data={"csrf": token, **fields})

    assert answer.status_code == 403
    assert "This form is out of date" in answer.text
    assert world.log() == log
    assert browser.get("/account").status_code == 200


def test_the_token_of_another_session_is_none(world: "SampleLedger") -> None:
    of_theo = world.browser_of("theo").form_token("/account")

    assert world.browser_of("ada").client.post("/admin/projects", data={"csrf": of_theo}).status_code == 403


def test_the_token_of_a_visitor_is_none_after_the_login(world: "SampleLedger") -> None:
    browser = world.browser()
    before = browser.form_token("/login")
    browser.log_in("ada")

    assert browser.client.post("/admin/projects", data={"csrf": before}).status_code == 403


def test_nobody_is_logged_in_to_anothers_account_by_another_site(world: "SampleLedger") -> None:
    answer = world.browser().client.post("/login", data={"name": "theo", "password": PASSWORD})

    assert answer.status_code == 403
    assert world.log() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),  # ours: Referrer-Policy no-referrer
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:8081"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
    ],
)
def test_a_foreign_site_is_refused_whatever_it_carries(
    world: "SampleLedger", headers: dict[str, str], status: int
) -> None:
    browser = world.browser()
    token = browser.form_token("/login")
    fields = {"csrf": token, "name": "rita", "password": PASSWORD}

    assert browser.client.post("/login", data=fields, headers=headers).status_code == status


def test_a_form_whose_session_has_ended_leads_to_the_login(world: "SampleLedger") -> None:
    browser = world.browser_of("ada")
    token = browser.form_token("/account")
    browser.client.delete_cookie("cloison_session")
    answer = browser.client.post("/admin/projects", data={"csrf": token, "name": "x"}, headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=/"
