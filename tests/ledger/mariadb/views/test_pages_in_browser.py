"""The pages as a browser shows them: light and dark, on a phone and on a desk, by keyboard and to a screen reader."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, ViewportSize
from tests.ledger.mariadb.views.test_pages import NOTIFICATIONS, of, paths

from ledger.archive.store import Archive

pytestmark = pytest.mark.browser
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 860}
SEVERE = {"serious", "critical"}
# Each screen and each scheme once: no rule of the style sheet asks for both.
LOOKS: dict[str, dict[str, Any]] = {
    "light-phone": {"viewport": PHONE, "color_scheme": "light"},
    "dark-desk": {"viewport": DESK, "color_scheme": "dark"},
}


@contextmanager
def opened(browser: Browser, address: str, client: FlaskClient, **look: Any) -> Iterator[Page]:
    """Open a browser in which the client's person has logged in."""
    session = client.get_cookie("cloison_session")
    assert session is not None
    context = browser.new_context(base_url=address, **look)
    try:
        context.add_cookies([{"name": "cloison_session", "value": session.value, "url": address, "httpOnly": True}])
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture(params=LOOKS)
def page(request: pytest.FixtureRequest, browser: Browser, address: str, client: FlaskClient) -> Iterator[Page]:
    with opened(browser, address, client, **LOOKS[request.param]) as page:
        yield page


@pytest.fixture
def desk(browser: Browser, address: str, client: FlaskClient) -> Iterator[Page]:
    with opened(browser, address, client, viewport=DESK) as page:
        yield page


def test_no_page_is_hard_to_use_or_wider_than_its_screen(page: Page, archive: Archive) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in [*paths(archive), *NOTIFICATIONS]:
        page.goto(path)
        found = Axe().run(page).response["violations"]

        assert [] == [(path, rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in SEVERE]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert [] == said


def test_what_is_refused_is_a_page_too(page: Page) -> None:
    for path, title in {"/nowhere": "Not Found", "/projects/shop/doors?port=x": "Bad Request"}.items():
        page.goto(path)

        assert title == page.locator("h1").text_content()
        assert [] == [rule["id"] for rule in Axe().run(page).response["violations"] if rule["impact"] in SEVERE]


def test_headings_go_down_one_step_at_a_time(desk: Page, archive: Archive) -> None:
    for path in [*paths(archive), *NOTIFICATIONS]:
        desk.goto(path)
        levels = desk.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")

        assert levels[:1] == [1], path
        assert levels.count(1) == 1, path
        assert all(deeper - level <= 1 for level, deeper in pairwise(levels)), (path, levels)


def test_the_first_key_leads_past_the_frame(desk: Page) -> None:
    desk.goto("/projects")
    desk.keyboard.press("Tab")
    assert desk.evaluate("document.activeElement.textContent") == "Skip to the content"

    desk.keyboard.press("Enter")
    desk.keyboard.press("Tab")
    assert desk.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_what_has_the_focus_is_seen(desk: Page) -> None:
    desk.goto("/projects/shop")
    for _ in range(12):
        desk.keyboard.press("Tab")
        width, style = desk.evaluate(
            "(s => [parseFloat(s.outlineWidth), s.outlineStyle])(getComputedStyle(document.activeElement))"
        )

        assert width >= 2, desk.evaluate("document.activeElement.outerHTML")
        assert style != "none"


def test_each_frame_says_where_one_is(desk: Page) -> None:
    desk.goto("/projects/shop/proofs")
    current = desk.locator("[aria-current]")

    assert ["Projects", "History", "History", "All"] == [text.strip() for text in current.all_text_contents()]


def test_two_proofs_are_chosen_and_compared_by_keyboard(desk: Page, archive: Archive) -> None:
    newest, second, third, *_ = of(archive)
    desk.goto("/projects/shop/proofs")
    desk.locator(f'input[name=old][value="{second}"]').focus()
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/diff/*/*")

    assert desk.url.endswith(f"/projects/shop/diff/{third}/{newest}")


def test_a_connection_shows_its_intervals(desk: Page) -> None:
    desk.goto("/projects/shop/doors?target=db")
    first = desk.locator(".connections details").first
    assert first.locator("table").is_hidden()

    first.locator("summary").press("Enter")

    assert first.locator("table").is_visible()
    assert "UTC" in (first.locator("thead").text_content() or "")


def test_the_form_filters_the_connections(desk: Page) -> None:
    desk.goto("/projects/shop/doors")
    desk.get_by_label("to", exact=True).fill("db")
    desk.get_by_label("port", exact=True).fill("3306")
    desk.get_by_label("observed").select_option("open")
    desk.get_by_role("button", name="Show").click()

    connections = desk.locator(".connections .connection").all_text_contents()
    assert len(connections) > 1
    assert all("db 3306/tcp" in text for text in connections)


def test_a_breach_is_seen_without_colours(browser: Browser, address: str, client: FlaskClient) -> None:
    with opened(browser, address, client, viewport=PHONE, forced_colors="active") as page:
        page.goto("/projects/shop")

        assert page.locator(".hero .verdict").is_visible()
        assert "breached" == (page.locator(".hero .verdict").text_content() or "").strip()
