"""The page in a browser: without a script and with it, on a phone and on a desk, light and dark, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, ViewportSize, expect
from tests.pictures import keep_pictures

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
VIEW = ".pv-view:visible"
"""The view of the picture that is shown."""


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
    desk.locator(f"{VIEW} a.pv-breach .head").first.click()

    expect(desk.locator("dialog")).to_contain_text("breach")
    desk.get_by_role("button", name="Close").click()
    expect(desk.locator("dialog")).not_to_be_visible()


def test_a_box_leads_to_what_its_place_can_reach(desk: Page) -> None:
    desk.locator(f"{VIEW} a.pv-box text", has_text="app").click()

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
    width = page.locator(f"{VIEW} .pv-svg").bounding_box()
    assert width
    assert width["width"] <= page.evaluate("document.documentElement.clientWidth")
    page.close()


def test_sixty_services_open_in_a_browser(browser: Browser, stored: Callable[[str], str]) -> None:
    page = browser.new_page()
    page.goto(stored("crowded"))
    page.locator("td.breach a").first.click()

    expect(page.locator("dialog")).to_be_visible()
    page.close()


def lit(page: Page) -> set[str]:
    """Return the names of the boxes that are not faded."""
    return {text.strip() for text in page.locator(".pv-box.pv-lit > text").all_text_contents()}


def scene_page(browser: Browser, address: str, viewport: ViewportSize) -> Page:
    page = browser.new_context(viewport=viewport).new_page()
    page.goto(address)
    return page


def test_a_service_under_the_pointer_is_isolated_with_what_it_reaches(desk: Page) -> None:
    desk.locator(f"{VIEW} a.pv-box text", has_text="app").hover()

    assert {"app", "db", "proxy"} == lit(desk)
    assert 0 < desk.locator(".pv-arrow.pv-lit").count() < desk.locator(f"{VIEW} .pv-arrow").count()
    desk.locator("h1").hover()
    assert 0 == desk.locator(".pv-isolated").count()


def test_a_service_with_the_focus_is_isolated(desk: Page) -> None:
    desk.locator(f"{VIEW} a.pv-box", has_text="db").focus()

    assert "db" in lit(desk)
    assert 1 == desk.locator(".pv-isolated").count()


def test_a_network_under_the_pointer_shows_its_members(browser: Browser, stored: Callable[[str], str]) -> None:
    page = scene_page(browser, stored("twelve"), DESK)
    page.locator(f"{VIEW} .pv-network text", has_text="edge").hover()

    assert {"gateway", "storefront", "admin-console"} == lit(page)
    page.context.close()


def folded(page: Page) -> tuple[str, int]:
    """Return what the focused control says of its network, and the number of boxes that are seen."""
    said = page.evaluate("document.activeElement.getAttribute('aria-expanded')")
    return said, page.locator(f"{VIEW} .pv-box").count()


@pytest.mark.parametrize("key", ["Enter", " "])
def test_a_network_folds_and_unfolds_by_keyboard(browser: Browser, stored: Callable[[str], str], key: str) -> None:
    page = scene_page(browser, stored("twelve"), DESK)
    page.locator(f"{VIEW} .pv-fold", has_text="edge").focus()
    assert ("true", 13) == folded(page)

    page.keyboard.press(key)
    assert ("false", 11) == folded(page)
    expect(page.locator(f"{VIEW} .pv-group")).to_have_text("admin-console, gateway, storefront 3 services of edge")
    assert 0 == page.locator(".pv-isolated").count()

    page.keyboard.press(key)
    assert ("true", 13) == folded(page)
    page.context.close()


def test_every_network_folds_and_unfolds_by_a_click(browser: Browser, stored: Callable[[str], str]) -> None:
    page = scene_page(browser, stored("twelve"), PHONE)
    page.get_by_role("link", name="Fold every network").click()
    assert 4 == page.locator(f"{VIEW} .pv-box").count()

    page.get_by_role("button", name="Zoom in").click()
    page.locator(f"{VIEW} .pv-fold", has_text="jobs").click()
    assert 13 == page.locator(f"{VIEW} .pv-box").count()
    page.context.close()


def test_a_network_folds_without_a_script(browser: Browser, stored: Callable[[str], str]) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(stored("crowded"))
    before = page.locator(f"{VIEW} .pv-box").count()
    page.locator(f"{VIEW} .pv-fold").first.click()
    assert before < page.locator(f"{VIEW} .pv-box").count()

    page.locator(f"{VIEW} .pv-fold-all a").click()
    assert before == page.locator(f"{VIEW} .pv-box").count()
    context.close()


def test_the_picture_fits_zooms_and_moves(browser: Browser, stored: Callable[[str], str]) -> None:
    page = scene_page(browser, stored("twelve"), {"width": 1280, "height": 500})
    picture, view = page.locator(f"{VIEW} .pv-svg"), page.locator(f"{VIEW} .pv-picture")
    page.get_by_role("button", name="Fit the whole picture").click()
    fitted, seen = picture.bounding_box(), view.bounding_box()
    assert fitted
    assert seen
    assert fitted["height"] <= seen["height"]
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    zoomed = picture.bounding_box()
    assert zoomed
    assert zoomed["width"] > 3 * fitted["width"]

    before = view.evaluate("view => [view.scrollLeft, view.scrollTop]")
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(500, 350, steps=4)
    page.mouse.up()
    assert [before[0] + 100, before[1] + 50] == pytest.approx(
        view.evaluate("view => [view.scrollLeft, view.scrollTop]"), abs=2
    )
    assert 0 == page.locator("dialog[open]").count()
    page.context.close()


@pytest.mark.parametrize("scene", ["breach", "twelve", "crowded"])
def test_the_names_of_the_services_are_in_sight_on_a_phone(
    browser: Browser, stored: Callable[[str], str], scene: str
) -> None:
    page = scene_page(browser, stored(scene), PHONE)

    for name in page.locator(f"{VIEW} a.pv-box > text").all():
        box = name.bounding_box()
        assert box
        assert 0 <= box["x"]
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["height"] >= 9
    page.context.close()


def test_a_line_of_policy_is_copied(browser: Browser, stored: Callable[[str], str]) -> None:
    context = browser.new_context(viewport=DESK, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(stored("breach"))
    page.get_by_role("button", name="Copy - app, db -> outside").click()

    expect(page.get_by_role("button", name="Copy - app, db -> outside")).to_have_text("Copied")
    assert "- app, db -> outside" == page.evaluate("navigator.clipboard.readText()")
    context.close()


COLUMNS = """() => {
  const shown = (what, below = document) => [...below.querySelectorAll(what)].filter(one => one.checkVisibility());
  const columns = shown(".pv-ports th"), rows = shown(".pv-matrix tbody tr").map(row => shown("td", row));
  let next = 0;
  const names = [...document.querySelectorAll(".pv-targets-acted-on th[scope=colgroup]")].map(name => {
    const first = next, link = rows.map(cells => cells[first]?.querySelector("a")).find(link => link);
    next += name.colSpan;
    const flow = link && document.getElementById(link.getAttribute("href").slice(1)).querySelector("th").textContent;
    const [left, below] = [name, columns[first]].map(one => one.getBoundingClientRect().x);
    return {name: name.textContent, left, below, flow};
  });
  return {names, spanned: next, shown: columns.length};
}"""
"""One question, because each one about a table of this size takes the browser seconds."""


def test_the_filter_keeps_each_name_above_its_own_columns(browser: Browser, stored: Callable[[str], str]) -> None:
    page = scene_page(browser, stored("crowded"), DESK)
    page.locator(".pv-only").check()
    found = page.evaluate(COLUMNS)

    assert found["spanned"] == found["shown"]
    assert len(found["names"]) > 5
    for name in found["names"]:
        assert name["below"] == pytest.approx(name["left"], abs=2)
        assert name["flow"] is None or name["flow"].strip().endswith(f"→ {name['name']}")
    assert any(name["flow"] for name in found["names"])
    page.context.close()


def test_a_picture_of_every_open_page_is_kept_when_a_test_fails(browser: Browser, desk: Page, tmp_path: Path) -> None:
    kept = keep_pictures("a test[with / odd name]", {"browser": browser, "number": 1}, tmp_path)

    assert {file.read_bytes()[:8] for file in kept} == {b"\x89PNG\r\n\x1a\n"}
    assert all(file.parent == tmp_path for file in kept)
    assert desk.url.startswith("file:")
