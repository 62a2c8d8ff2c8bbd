"""The page of notifications and the feed: who sees what, and a channel from the form to the receiver, in a browser."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import feedparser
import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect
from sqlalchemy import Engine, text
from tests.ledger.mariadb.accounts.conftest import SampleLedger
from tests.ledger.mariadb.notifications.receivers import Receiver, receiver
from tests.ledger.mariadb.views.sample_history import proof
from tests.ledger.mariadb.views.test_pages_in_browser import DESK, PHONE, SEVERE, opened

from cloison_view import webhook_signature
from ledger import clock as ledger_clock
from ledger.archive.store import Archive
from ledger.notifications import record
from ledger.notifications.notifier import Notifier
from ledger.notifications.settings import NotifierSettings

PAGE = "/projects/shop/notifications"
ADDRESS = "https://hooks.example.org/services/of-the-test"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def notifier(engine: Engine) -> Notifier:
    return Notifier(engine, NotifierSettings.from_environment({"LEDGER_NOTIFY_NETWORKS": "127.0.0.0/8"}))


def feed_path(client: FlaskClient) -> str:
    """Return the address of shop's feed as its page shows it."""
    found = re.search(r"/feed/[0-9a-f]{32}\.atom", client.get(PAGE).text)
    assert found
    return found[0]


def test_a_reader_sees_events_and_channels_but_no_address_and_no_form(world: SampleLedger) -> None:
    root, reader = world.browser_of("root"), world.browser_of("ada")
    root.send(f"{PAGE}/channels", page=PAGE, name="ops", format="slack", target=ADDRESS, secret="")
    seen = reader.get(PAGE).text

    assert "Became a breach" in seen
    assert "ops" in seen
    assert "hooks.example.org" not in seen
    assert "Add a channel" not in seen
    assert "https://hooks.example.org/…" in root.get(PAGE).text
    for page in (seen, root.get(PAGE).text, root.get("/admin/audit").text):
        assert "of-the-test" not in page


def test_a_secret_that_the_ledger_makes_is_shown_once(world: SampleLedger) -> None:
    root = world.browser_of("root")
    answer = root.send(f"{PAGE}/channels", page=PAGE, name="ops", format="json", target=ADDRESS, secret="")
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)

    assert found
    assert webhook_signature.is_signing_secret(found[0])
    assert "whsec_" not in root.get(PAGE).text
    assert found[0] not in root.get("/admin/audit").text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "1 to 63 letters"),
        ({"format": "pager"}, "A channel is one of"),
        ({"target": "ftp://example.org"}, "begins with https://"),
        ({"target": "https://user:pass@example.org"}, "cannot be part"),
        ({"format": "gotify"}, "token of an application"),
        ({"secret": "whsec_short"}, "whsec_ and 24 to 64 bytes"),
        ({"format": "email"}, "one mailbox"),
        ({"format": "ntfy", "secret": "tk\r\nX: y"}, "printable ASCII"),
    ],
)
def test_what_cannot_be_a_channel_is_refused_beside_its_field(
    world: SampleLedger, fields: dict[str, str], sentence: str
) -> None:
    root = world.browser_of("root")
    given = {"name": "ops", "format": "json", "target": ADDRESS, "secret": "", **fields}
    answer = root.send(f"{PAGE}/channels", page=PAGE, **given)

    assert 422 == answer.status_code
    assert sentence in answer.text
    assert "There are no channels" in root.get(PAGE).text


def test_each_action_of_an_administrator_is_in_the_audit_log(world: SampleLedger) -> None:
    root = world.browser_of("root")
    for name in ("ops", "ops", "night"):
        root.send(f"{PAGE}/channels", page=PAGE, name=name, format="slack", target=ADDRESS, secret="")
    (number, *_) = re.findall(r"/channels/(\d+)/test", root.get(PAGE).text)
    root.send(f"{PAGE}/channels/{number}/test", page=PAGE)
    root.send(f"{PAGE}/channels/{number}", page=PAGE, target=f"{ADDRESS}2", secret="")
    root.send(f"{PAGE}/channels/{number}/remove", page=PAGE)
    root.send(f"{PAGE}/overdue", page=PAGE, hours="26")
    assert 422 == root.send(f"{PAGE}/overdue", page=PAGE, hours="²").status_code
    old = feed_path(root.client)
    root.send(f"{PAGE}/feed", page=PAGE)

    assert 404 == root.get(old).status_code
    assert 200 == root.get(feed_path(root.client)).status_code
    assert [
        ("added channel", "shop/ops, slack"),
        ("added channel", "shop/night, slack"),
        ("sent test message", "shop/night"),
        ("changed channel", "shop/night"),
        ("removed channel", "shop/night"),
        ("changed overdue hours", "shop/after 26 hours"),
        ("made new feed address", "shop/feed"),
    ] == [(what, about) for _, what, about in world.log() if about.startswith("shop/")]


def test_another_project_s_channel_is_not_found(world: SampleLedger) -> None:
    root = world.browser_of("root")
    root.send(f"{PAGE}/channels", page=PAGE, name="ops", format="slack", target=ADDRESS, secret="")
    (number,) = re.findall(r"/channels/(\d+)/test", root.get(PAGE).text)

    for end in ("/test", "/remove", ""):
        answer = root.send(f"/projects/new/notifications/channels/{number}{end}", page=PAGE, target=ADDRESS)
        assert 422 == answer.status_code
    assert "ops" in root.get(PAGE).text


def test_messages_that_wait_for_a_notifier_say_so(world: SampleLedger, notifier: Notifier) -> None:
    root = world.browser_of("root")
    assert "No notifier runs" not in root.get(PAGE).text  # nothing waits for it
    root.send(f"{PAGE}/channels", page=PAGE, name="ops", format="slack", target=ADDRESS, secret="")
    assert "No notifier runs" in root.get(PAGE).text
    notifier.check()
    assert "No notifier runs" not in root.get(PAGE).text


def test_the_project_page_tells_of_an_old_proof_and_of_a_message_that_was_given_up(
    world: SampleLedger, engine: Engine, hook: Receiver, notifier: Notifier
) -> None:
    root = world.browser_of("root")
    hook.answers = [410]
    root.send(f"{PAGE}/channels", page=PAGE, name="ops", format="slack", target=hook.url(), secret="")
    assert "given up" not in root.get("/projects/shop").text
    (number,) = re.findall(r"/channels/(\d+)/test", root.get(PAGE).text)
    root.send(f"{PAGE}/channels/{number}/test", page=PAGE)
    notifier.send_all()
    assert "The last message to ops was not taken" in root.get("/projects/shop").text
    assert "answered 410." in root.get(PAGE).text
    assert "No recent proof" not in root.get("/projects/shop").text

    with engine.begin() as connection:
        connection.execute(text("UPDATE proof SET started = started - INTERVAL 3 DAY"))

    assert "No recent proof" in root.get("/projects/shop").text


def test_the_feed_is_valid_atom_and_its_entries_keep_their_ids(
    client: FlaskClient, archive: Archive, engine: Engine
) -> None:
    path = feed_path(client)
    archive.save("shop", proof("tolerated", datetime.now(UTC)))
    answer = client.get(path, headers={"Accept": ""})
    feed = feedparser.parse(answer.data)

    assert "application/atom+xml" == answer.mimetype
    assert not feed.bozo
    assert "atom10" == feed.version
    assert "Isolation of shop" == feed.feed.title
    assert feed.feed.id.startswith("urn:uuid:")
    assert feed.feed.author_detail.name
    assert {"self", "alternate"} == {link.rel for link in feed.feed.links}
    assert "shop: back to normal" == feed.entries[0].title
    assert feed.entries[0].updated == feed.feed.updated
    assert len(feed.entries) == len({entry.id for entry in feed.entries}) > 2
    for entry in feed.entries:
        assert entry.summary
        assert entry.updated_parsed
        assert entry.link.startswith("http://localhost/projects/shop/proofs/")
    with engine.begin() as connection:
        connection.execute(text("UPDATE watch SET feed_key = REVERSE(feed_key)"))
    assert [entry.id for entry in feed.entries] == [
        entry.id for entry in feedparser.parse(client.get(feed_path(client)).data).entries
    ]


def test_a_feed_is_not_sent_twice_and_tells_of_a_dead_timer_without_a_notifier(
    client: FlaskClient, engine: Engine
) -> None:
    path = feed_path(client)
    first = client.get(path)
    assert 304 == client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code
    with engine.begin() as connection:
        connection.execute(text("UPDATE proof SET started = started - INTERVAL 3 DAY"))

    assert "shop: no recent proof" == feedparser.parse(client.get(path).data).entries[0].title
    assert "test message" not in client.get(path).text


def test_an_empty_feed_is_valid(root: FlaskClient) -> None:
    page = root.get("/projects/new/notifications").text
    found = re.search(r"/feed/[0-9a-f]{32}\.atom", page)
    assert found
    feed = feedparser.parse(root.get(found[0]).data)

    assert not feed.bozo
    assert feed.feed.updated
    assert [] == feed.entries


@pytest.mark.browser
def test_an_administrator_adds_tries_and_removes_a_channel(
    browser: Chromium, address: str, root: FlaskClient, hook: Receiver, notifier: Notifier
) -> None:
    for viewport in (DESK, PHONE):
        with opened(browser, address, root, viewport=viewport) as page:
            page.goto("/projects/shop")
            page.get_by_role("link", name="Notifications").click()
            page.get_by_label("Name").fill("ops")
            page.get_by_label("Kind").select_option(label="ntfy")
            page.get_by_label("Address", exact=True).fill(hook.url("/alerts"))
            page.get_by_role("button", name="Add the channel").click()
            page.get_by_role("button", name="Send a test message to ops").click()
            expect(page.get_by_text("waits for ops")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert [] == [rule["id"] for rule in Axe().run(page).response["violations"] if rule["impact"] in SEVERE]
            notifier.send_all()
            page.reload()
            expect(page.get_by_text("sent to ops")).to_be_visible()
            page.get_by_role("button", name="Remove ops").click()
            expect(page.get_by_text("There are no channels")).to_be_visible()

    assert ["/alerts", "/alerts"] == [one.path for one in hook.received]
    assert "shop: test message" == hook.received[0].headers["title"]


@pytest.mark.browser
def test_a_browser_at_the_front_page_logs_in_and_finds_a_project(
    browser: Chromium, address: str, world: SampleLedger, archive: Archive
) -> None:
    context = browser.new_context(base_url=address, viewport=PHONE)
    try:
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill("four words without sense")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Projects")).to_be_visible()
        page.get_by_role("searchbox").fill("ho")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="new", exact=True)).to_be_hidden()
        page.get_by_role("link", name="Breached 1").click()
        expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()
    finally:
        context.close()


def test_a_project_that_is_overdue_is_recorded_for_all(archive: Archive, engine: Engine) -> None:
    later = ledger_clock.now() + timedelta(days=3)
    with engine.begin() as connection:
        record.add_missing(connection)

    assert 3 == record.record_overdue(engine, later)
    assert 0 == record.record_overdue(engine, later)
