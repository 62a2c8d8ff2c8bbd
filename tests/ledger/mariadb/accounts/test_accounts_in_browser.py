"""The pages of one's own account in a browser: the second factor, sessions, the first password."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Response
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright
from tests.ledger.mariadb.accounts.conftest import CHOSEN, PASSWORD
from tests.ledger.mariadb.views.conftest import POLICY
from werkzeug.serving import make_server

from ledger.accounts import users

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import SampleLedger

pytestmark = pytest.mark.browser
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 860}
LOOKS: dict[str, dict[str, Any]] = {
    "light-phone": {"viewport": PHONE, "color_scheme": "light"},
    "dark-desk": {"viewport": DESK, "color_scheme": "dark"},
}
SEVERE = {"serious", "critical"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(world: "SampleLedger") -> Iterator[str]:
    """Serve the pages with the proxy's policy, and return where."""

    @world.app.after_request
    def with_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def opened(chromium: Chromium, address: str, **look: Any) -> Iterator[Page]:
    """Open a browser without a cookie; nothing that its console says may be left unread."""
    context = chromium.new_context(base_url=address, **look)
    try:
        page, said = context.new_page(), list[str]()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        assert [line for line in said if "status of 4" not in line] == []  # a refused form is one, and is tested
    finally:
        context.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Do the first step of a login."""
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def check(page: Page) -> None:
    """Check that the page can be used by everybody and is not wider than its screen."""
    found = Axe().run(page).response["violations"]

    assert [] == [(page.url, rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in SEVERE]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def code(secret: str, *, later: int = 0) -> str:
    """Return what the device shows, so many steps later."""
    return pyotp.TOTP(secret).at(int(time.time()) + later * 30)


@pytest.mark.parametrize("look", LOOKS)
def test_a_user_sets_up_the_second_factor_and_logs_in_with_it(
    world: "SampleLedger", chromium: Chromium, address: str, look: str
) -> None:
    with opened(chromium, address, **LOOKS[look]) as page:
        log_in(page, "rita")
        page.goto("/account")
        check(page)
        page.get_by_role("link", name="Second factor").click()
        check(page)
        page.get_by_role("button", name="Set up a second factor").click()
        check(page)
        qr_code = page.get_by_role("img", name="QR code of the key below").locator("svg")
        size = qr_code.bounding_box()
        secret = page.locator(".key").inner_text()
        assert size is not None
        assert 150 < size["width"] == size["height"]

        page.get_by_role("textbox", name="Code").fill("000000")
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_text("This code is not right")).to_be_visible()
        check(page)
        page.get_by_role("textbox", name="Code").fill(code(secret, later=-1))
        page.get_by_role("button", name="Switch it on").click()
        check(page)
        recovery = page.locator(".secret").inner_text().split()
        assert len(recovery) == 10
        page.get_by_role("link", name="I have stored them").click()
        expect(page.get_by_text("10 of 10 recovery codes are left")).to_be_visible()
        check(page)

        page.get_by_role("button", name="Log out").click()
        log_in(page, "rita")
        expect(page.get_by_role("heading", name="Enter a code")).to_be_visible()
        check(page)
        used = code(secret)
        page.get_by_role("textbox", name="Code").fill(used)
        page.keyboard.press("Enter")
        page.wait_for_url("**/projects")

        page.get_by_role("button", name="Log out").click()
        log_in(page, "rita")
        page.get_by_role("textbox", name="Code").fill(used)
        page.keyboard.press("Enter")
        expect(page.get_by_text("it was used already")).to_be_visible()
        page.get_by_role("textbox", name="Code").fill(recovery[0])
        page.keyboard.press("Enter")
        expect(page.get_by_text("9 of 10 recovery codes are left")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_a_user_ends_another_session(world: "SampleLedger", chromium: Chromium, address: str, look: str) -> None:
    with opened(chromium, address) as lost, opened(chromium, address, **LOOKS[look]) as page:
        log_in(lost, "rita")
        log_in(page, "rita")
        page.goto("/account/sessions")
        check(page)
        rows = page.locator("tbody tr")
        assert rows.count() == 2
        assert rows.filter(has_text="this browser").count() == 1
        assert rows.first.get_by_role("rowheader").inner_text() == "Chrome on Linux"

        page.get_by_role("button", name="End the session of").click()
        expect(page.get_by_text("1 session was ended.")).to_be_visible()
        assert rows.count() == 1
        lost.goto("/projects")
        expect(lost.get_by_role("heading", name="Log in")).to_be_visible()

        page.get_by_role("button", name="Log out everywhere").click()
        page.goto("/projects")
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_a_new_user_chooses_a_password_first(
    world: "SampleLedger", chromium: Chromium, address: str, look: str
) -> None:
    account = world.do(lambda c: users.get_account(c, "rita"))
    world.do(lambda c: users.set_password(c, account.id, account.password, must_change_password=True))
    with opened(chromium, address, **LOOKS[look]) as page:
        log_in(page, "rita")
        page.goto("/projects/ours")
        expect(page.get_by_text("Somebody else has seen the password")).to_be_visible()
        check(page)

        page.get_by_label("Current password").fill(PASSWORD)
        for label in ("New password", "Repeat the new password"):
            page.get_by_label(label, exact=True).fill("password password")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text("This password is easy to guess")).to_be_visible()
        page.get_by_label("Current password").fill(PASSWORD)
        for label in ("New password", "Repeat the new password"):
            page.get_by_label(label, exact=True).fill(CHOSEN)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text("Your password was changed.")).to_be_visible()
        page.goto("/projects/ours")
        expect(page.get_by_role("heading", name="ours")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_an_administrator_confirms_a_form_without_typing_it_again(
    world: "SampleLedger", chromium: Chromium, address: str, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(chromium, address, **LOOKS[look]) as page:
        log_in(page, "ada")
        page.goto("/admin/tokens?project=ours")
        check(page)
        page.get_by_label("Name").fill("from the browser")
        monkeypatch.setattr("ledger.accounts.sessions.RECENT", timedelta())  # what was entered is never recent
        page.get_by_role("button", name="Create and show the token").click()
        expect(page.get_by_role("heading", name="Confirm with your password")).to_be_visible()
        check(page)
        monkeypatch.undo()
        page.get_by_label("Password of ada").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()
        assert page.locator(".secret").inner_text().startswith("clo_")
        page.goto("/admin/audit")
        check(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert download.value.suggested_filename == "cloison-audit.csv"
