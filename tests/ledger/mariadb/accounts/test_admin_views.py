"""The pages for administrators, and the entries in the audit log."""

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from ledger import clock as ledger_clock
from ledger.accounts import audit, second_factor, users
from ledger.accounts.audit import Actor, AuditEvent
from ledger.accounts.tables import SECOND_FACTOR

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger
    from werkzeug.test import TestResponse


def shown(answer: "TestResponse") -> str:
    """Return the secret on a page."""
    return answer.text.partition('class="secret"')[2].partition(">")[2].partition("<")[0]


@pytest.fixture
def ada(world: "SampleLedger") -> "Browser":
    return world.browser_of("ada")


def test_a_new_account_s_password_is_shown_once(world: "SampleLedger", ada: "Browser") -> None:
    answer = ada.send("/admin/users", name="Nora", projects=["ours", "theirs"])

    assert world.browser().log_in("nora", shown(answer)).status_code == 303
    assert world.do(lambda c: users.get_account(c, "nora")).reads == ("ours", "theirs")
    assert ("ada", "added account", "nora, reader, reads ours, theirs") in world.log()
    assert shown(answer) not in str(world.log())
    assert shown(answer) not in ada.get("/admin/users/nora").text


def test_the_list_shows_who_has_a_second_factor_and_who_logged_in_when(world: "SampleLedger", ada: "Browser") -> None:
    def cells(name: str) -> list[str]:
        row = ada.get("/admin/users").text.partition(f">{name}</a></th>")[2].partition("</tr>")[0]
        return [re.sub(r"<[^>]+>", "", cell).strip() for cell in row.split("<td>")[1:]]

    today = f"{ledger_clock.now():%Y-%m-%d}"
    assert ["administrator", "all projects", "off"] == cells("ada")[:3]
    assert cells("ada")[3].startswith(today)
    assert "never" == cells("rita")[3]

    rita, now = world.do(lambda c: users.get_account(c, "rita")), ledger_clock.now()
    world.do(lambda c: second_factor.begin(c, rita.id, now))
    assert "off" == cells("rita")[2]  # no code has shown yet that her device has the secret
    world.do(lambda c: c.execute(update(SECOND_FACTOR).values(confirmed=now)))
    assert "on" == cells("rita")[2]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "rita"}, "There is an account rita already."),
        ({"name": "no blank"}, "A name has 1 to 63 lower-case letters"),
        ({"name": "x", "projects": "nowhere"}, "There is no project nowhere."),
    ],
)
def test_an_invalid_account_is_reported_beside_the_field(
    ada: "Browser", world: "SampleLedger", fields: dict[str, str], told: str
) -> None:
    answer = ada.send("/admin/users", **fields)

    assert answer.status_code == 422
    assert told in answer.text
    assert "x" not in [account.name for account in world.do(users.all_accounts)]


def test_the_readable_projects_are_the_ticked_ones(world: "SampleLedger", ada: "Browser") -> None:
    ada.send("/admin/users/rita/projects", page="/admin/users/rita", projects=["theirs"])

    assert world.do(lambda c: users.get_account(c, "rita")).reads == ("theirs",)
    assert world.log()[-1] == ("ada", "changed readable projects", "rita: theirs")


@pytest.mark.parametrize("fields", [{}, {"is_administrator": "1", "disabled": "1"}])
def test_the_last_administrator_stays(world: "SampleLedger", ada: "Browser", fields: dict[str, str]) -> None:
    answer = ada.send("/admin/users/ada/standing", page="/admin/users/ada", **fields)

    assert answer.status_code == 422
    assert "This is the last administrator" in answer.text
    assert ada.get("/admin/users").status_code == 200


def test_one_of_two_administrators_can_lose_the_role(world: "SampleLedger", ada: "Browser") -> None:
    ada.send("/admin/users/theo/standing", page="/admin/users/theo", is_administrator="1")
    ada.send("/admin/users/ada/standing", page="/admin/users/ada")

    assert ada.get("/admin/users").status_code == 403
    assert [entry[1:] for entry in world.log()[-2:]] == [
        ("changed standing", "theo: administrator"),
        ("changed standing", "ada: reader"),
    ]


def test_a_new_password_ends_every_session_of_the_account(world: "SampleLedger", ada: "Browser") -> None:
    browser = world.browser_of("rita")
    answer = ada.send("/admin/users/rita/password", page="/admin/users/rita")

    assert browser.get("/account").status_code == 303
    assert world.browser().log_in("rita", shown(answer)).status_code == 303
    assert ("ada", "reset password", "rita") in world.log()


def test_an_account_that_does_not_exist_is_no_page(ada: "Browser") -> None:
    assert ada.get("/admin/users/nobody").status_code == 404


def test_a_project_is_added_and_needs_a_token(world: "SampleLedger", ada: "Browser") -> None:
    answer = ada.send("/admin/projects", name="new-one")

    assert answer.headers["Location"] == "/admin/tokens?project=new-one"
    assert ">new-one<" in ada.get("/admin/tokens?project=new-one").text
    assert world.log()[-1] == ("ada", "added project", "new-one")


@pytest.mark.parametrize(
    ("name", "told"), [("ours", "There is a project ours already."), ("No!", "A project&#39;s name")]
)
def test_a_project_that_cannot_be_added_says_why(ada: "Browser", name: str, told: str) -> None:
    answer = ada.send("/admin/projects", name=name)

    assert answer.status_code == 422
    assert told in answer.text


def test_a_failed_action_is_not_in_the_log(world: "SampleLedger", ada: "Browser") -> None:
    before = world.log()
    ada.send("/admin/projects", name="ours")

    assert world.log() == before


def test_the_log_tells_from_where_and_in_which_request(world: "SampleLedger", ada: "Browser") -> None:
    number = "0123456789abcdef" * 2
    ada.headers["X-Request-Id"] = number
    ada.send("/admin/projects", name="new-one")

    assert (world.entries()[0].address, world.entries()[0].request_id) == ("192.0.2.1", number)
    assert number in ada.get("/admin/audit").text


def test_the_log_is_read_page_by_page(world: "SampleLedger", ada: "Browser") -> None:
    def fill(connection: object) -> None:
        for n in range(audit.PAGE):
            audit.write(connection, Actor("somebody"), AuditEvent.PROJECT, f"entry-{n}-", ledger_clock.now())  # type: ignore[arg-type]

    world.do(fill)
    first = ada.get("/admin/audit").text
    earlier = first.partition("/admin/audit?before=")[2].partition('"')[0]

    assert "entry-99-" in first
    assert "logged in" not in first
    assert "logged in" in ada.get(f"/admin/audit?before={earlier}").text


def test_the_log_cuts_what_is_too_long(world: "SampleLedger") -> None:
    world.do(lambda c: audit.write(c, Actor("w" * 999), AuditEvent.PROJECT, "a" * 999, ledger_clock.now()))

    assert len(world.entries()[0].about) == 255
