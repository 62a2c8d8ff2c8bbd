"""The page in a browser: without a script and with it, on a phone and on a desk, light and dark, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, ViewportSize, expect

pytestmark = pytest.mark.browser
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 860}
PRINTED_PAGE: ViewportSize = {"width": 700, "height": 990}
LOOKS: dict[str, dict[str, Any]] = {
    "light-phone": {"viewport": PHONE, "color_scheme": "light"},
    "dark-phone": {"viewport": PHONE, "color_scheme": "dark"},
    "light-desk": {"viewport": DESK, "color_scheme": "light"},
    "dark-desk": {"viewport": DESK, "color_scheme": "dark"},
}
SEVERE = {"serious", "critical"}
BREACH = "tr:last-child td.breach a"
"""The breach of the port that the file publishes; the last row has the flows from outside."""


@pytest.fixture
def desk(browser: Browser, stored: Callable[[str], str]) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(stored("breach"))
    yield page
    context.close()


@pytest.mark.parametrize(
    ("scene", "look"),
    [
        ("breach", "light-phone"),  # each screen and each scheme once: no rule of the style sheet asks for both
        ("breach", "dark-desk"),
        ("broken", "dark-desk"),
        ("unknown", "light-phone"),
        ("stranger", "dark-phone"),
        ("no-policy", "light-desk"),
        ("misused", "dark-phone"),
        ("hostile", "light-phone"),
    ],
)
def test_it_is_not_hard_to_use_and_not_wider_than_its_screen(
    browser: Browser, stored: Callable[[str], str], scene: str, look: str
) -> None:
    said: list[str] = []
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(stored(scene))
    for details in page.locator("details").all():
        details.evaluate("details => details.open = true")
    found = Axe().run(page).response["violations"]

    assert [] == [(rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in SEVERE]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [] == said
    context.close()


def test_it_asks_nobody_for_anything(browser: Browser, stored: Callable[[str], str]) -> None:
    asked: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(stored("breach"))
    page.wait_for_load_state("networkidle")

    assert [stored("breach")] == asked
    page.close()


def test_what_calls_itself_a_script_is_not_run(browser: Browser, stored: Callable[[str], str]) -> None:
    told: list[str] = []
    page = browser.new_page()

    def tell(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", tell)
    page.on("console", lambda message: told.append(message.text))
    page.goto(stored("hostile"))
    page.locator(BREACH).first.click()
    page.mouse.move(300, 300)

    expect(page.locator("dialog")).to_be_visible()
    assert [] == told
    assert page.evaluate("document.scripts.length") == 1
    page.close()


def test_a_cell_opens_its_evidence_and_gives_the_keyboard_back(desk: Page) -> None:
    cell = desk.locator(BREACH).first
    cell.click()

    panel = desk.locator("dialog")
    expect(panel).to_contain_text("outside → db")
    expect(panel).to_contain_text("port 3307 of the host is published to every machine")
    desk.keyboard.press("Escape")
    expect(panel).not_to_be_visible()
    expect(cell).to_be_focused()


def test_an_arrow_of_the_picture_opens_its_evidence(desk: Page) -> None:
    desk.locator("a.pv-breach .head").first.click()

    expect(desk.locator("dialog")).to_contain_text("breach")
    desk.get_by_role("button", name="Close").click()
    expect(desk.locator("dialog")).not_to_be_visible()


def test_a_box_leads_to_what_its_place_can_reach(desk: Page) -> None:
    desk.locator("a.pv-box text", has_text="app").click()

    expect(desk.locator("details[open] summary")).to_contain_text("from app")


def test_one_cell_is_in_the_order_of_keys_and_arrows_walk_from_it(desk: Page) -> None:
    assert desk.locator(".pv-matrix td a[tabindex='0']").count() == 1

    desk.locator(".pv-matrix td a[tabindex='0']").focus()
    desk.keyboard.press("ArrowRight")
    assert desk.evaluate("document.activeElement.parentElement.cellIndex") == 6
    desk.keyboard.press("ArrowDown")
    assert desk.evaluate("document.activeElement.closest('tr').cells[0].textContent") == "db"
    desk.keyboard.press("ArrowLeft")
    assert desk.locator(".pv-matrix td a[tabindex='0']").count() == 1
    desk.keyboard.press("Enter")
    expect(desk.locator("dialog")).to_contain_text("db → proxy")


def test_the_filter_leaves_what_needs_action(desk: Page) -> None:
    desk.locator(".pv-only").check()

    rows = desk.locator(".pv-matrix tbody tr:visible")
    assert ["app", "db", "proxy", "outside"] == rows.locator("th").all_text_contents()
    assert 1 < desk.locator(".pv-matrix thead tr:last-child th:visible").count() < 9
    assert 0 == desk.locator(".pv-evidence details:visible", has_text="from host").count()


def test_without_a_script_everything_is_there(browser: Browser, stored: Callable[[str], str]) -> None:
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(stored("breach"))
    page.locator(BREACH).first.click()

    expect(page.locator("tbody:target")).to_be_visible()
    expect(page.locator("tbody:target")).to_contain_text("port 3307 of the host is published to every machine")
    page.locator(".pv-only").check()
    assert 4 == page.locator(".pv-matrix tbody tr:visible").count()
    context.close()


@pytest.mark.parametrize("scene", ["breach", "twelve"])
def test_it_prints(browser: Browser, stored: Callable[[str], str], scene: str) -> None:
    page = browser.new_page(viewport=PRINTED_PAGE)
    page.goto(stored(scene))
    printed = page.pdf(format="A4", print_background=True)
    page.emulate_media(media="print")

    assert printed.startswith(b"%PDF")
    width = page.locator(".pv-svg").bounding_box()
    assert width
    assert width["width"] <= page.evaluate("document.documentElement.clientWidth")
    page.close()


def test_sixty_services_open_in_a_browser(browser: Browser, stored: Callable[[str], str]) -> None:
    page = browser.new_page()
    page.goto(stored("crowded"))
    page.locator("td.breach a").first.click()

    expect(page.locator("dialog")).to_be_visible()
    page.close()
