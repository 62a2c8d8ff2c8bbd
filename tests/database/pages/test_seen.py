"""The pages as a browser shows them: light and dark, on a phone and on a desk, by keyboard and to a screen reader."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.database.pages.conftest import Door
from tests.database.pages.test_asked import ADMINISTRATOR, of, paths

from ledger.archive.store import Archive

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 860}
SEVERE = {"serious", "critical"}


@pytest.fixture(
    params=[("light", PHONE), ("dark", PHONE), ("light", DESK), ("dark", DESK)],
    ids=lambda given: f"{given[0]}-{given[1]['width']}",
)
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    scheme, size = request.param
    context = browser.new_context(viewport=size, color_scheme=scheme, base_url=address)
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture
def desk(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK, base_url=address)
    yield context.new_page()
    context.close()


def test_no_page_is_hard_to_use_or_wider_than_its_screen(page: Page, archive: Archive, door: Door) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in paths(archive):
        page.goto(path)
        found = Axe().run(page).response["violations"]

        assert [] == [(path, rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in SEVERE]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert [] == said


def test_what_is_refused_is_a_page_too(page: Page, door: Door) -> None:
    for path, title in {"/nowhere": "Not Found", "/projects/shop/doors?port=x": "Bad Request"}.items():
        page.goto(path)

        assert title == page.locator("h1").text_content()
        assert [] == [rule["id"] for rule in Axe().run(page).response["violations"] if rule["impact"] in SEVERE]


def test_headings_go_down_one_step_at_a_time(desk: Page, archive: Archive) -> None:
    for path in paths(archive):
        desk.goto(path)
        levels = desk.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")

        assert levels[:1] == [1], path
        assert levels.count(1) == 1, path
        assert all(deeper - level <= 1 for level, deeper in zip(levels, levels[1:], strict=False)), (path, levels)


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


def test_each_frame_says_where_one_is(desk: Page, door: Door) -> None:
    door.who = ADMINISTRATOR
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


def test_a_door_opens_to_its_spells(desk: Page) -> None:
    desk.goto("/projects/shop/doors?target=db")
    first = desk.locator(".doors details").first
    assert first.locator("table").is_hidden()

    first.locator("summary").press("Enter")

    assert first.locator("table").is_visible()
    assert "UTC" in (first.locator("thead").text_content() or "")


def test_who_can_reach_what_is_asked_in_a_form(desk: Page) -> None:
    desk.goto("/projects/shop/doors")
    desk.get_by_label("can reach").fill("db")
    desk.get_by_label("at port").fill("3306")
    desk.get_by_label("seen").select_option("open")
    desk.get_by_role("button", name="Show").click()

    doors = desk.locator(".doors .door").all_text_contents()
    assert len(doors) > 1
    assert all("db 3306/tcp" in text for text in doors)


def test_a_breach_is_seen_without_colours(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=PHONE, base_url=address, forced_colors="active")
    page = context.new_page()
    page.goto("/projects/shop")

    assert page.locator(".hero .verdict").is_visible()
    assert "breached" == (page.locator(".hero .verdict").text_content() or "").strip()
    context.close()
