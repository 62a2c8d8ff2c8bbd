"""Logging in, logging out, one's own password."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.database.people.conftest import World


def test_a_stranger_learns_that_the_service_is_up_and_nothing_else(world: "World") -> None:
    answer = world.browser().get("/")

    assert answer.status_code == 200
    assert "The ledger is up" in answer.text
    assert "ours" not in answer.text


def test_who_logs_in_is_led_to_the_projects(world: "World") -> None:
    browser = world.browser()

    assert browser.log_in("rita").headers["Location"] == "/"
    assert browser.get("/").headers["Location"] == "/projects"
    assert world.log() == [("rita", "logged in", "rita")]
