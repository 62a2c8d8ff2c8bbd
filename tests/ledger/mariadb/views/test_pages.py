"""The responses of the pages, and their number of database statements."""

import gc
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import process_time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event
from tests.ledger.mariadb.accounts.conftest import SampleLedger
from tests.ledger.mariadb.views.sample_history import digest, proof
from tests.ledger.sample_proofs import add_project, body
from tests.unit.cloison_view.sample_documents import large_document

from ledger import server
from ledger.archive.store import Archive
from ledger.archive.validate import InvalidProofError
from ledger.views import FRAGMENT_CACHE_BYTES, PAGE_CACHE_BYTES
from ledger.views.fragment_cache import BusyError, FragmentCache

DECODING = 0.12
"""Seconds in which Python decodes the proof of 100 services on a processor that has nothing else to do; where it takes
longer, because others use the same core, a page may take longer by the same factor."""
NOTIFICATIONS = ["/projects/shop/notifications", "/projects/new/notifications"]
"""Pages that are rendered at each request, because they show what is happening."""


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect what the database is asked."""
    asked: list[str] = []

    def hear(*args: object) -> None:
        asked.append(str(args[2]))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def of(archive: Archive) -> list[str]:
    """Return the names of shop's proofs, newest first."""
    return [record.digest for record in archive.proofs("shop", limit=500).records]


def paths(archive: Archive) -> list[str]:
    """Return an address of every page."""
    newest, older, *_ = of(archive)
    return [
        "/projects",
        "/projects?q=h&verdict=breached",
        "/projects/shop",
        "/projects/new",
        "/projects/shop/proofs",
        "/projects/new/proofs",
        "/projects/shop/proofs?only=changes",
        f"/projects/shop/proofs/{newest}",
        f"/projects/shop/diff/{older}/{newest}",
        f"/projects/shop/proofs/{newest}/evidence/0",
        "/projects/shop/doors",
        "/projects/shop/doors?which=all",
        "/projects/shop/doors?from=2026-01-01&until=2099-12-31",
        "/projects/shop/doors?target=db&port=3306&protocol=tcp",
        "/projects/new/doors",
    ]


def test_pages_need_nothing_inline_and_nothing_from_elsewhere(client: FlaskClient, archive: Archive) -> None:
    for path in [*paths(archive), *NOTIFICATIONS, "/nowhere"]:
        text = client.get(path).text
        # The one address in full that may stand in a page is the ledger's own, to be copied.
        text = text.replace("http://localhost", "").replace("http://www.w3.org/2000/svg", "")

        assert not re.search(r"<style|style=|<script(?! defer src=\"/)|\son\w+=|https?://", text), path


def test_the_project_page_shows_verdict_change_and_badge(client: FlaskClient, archive: Archive) -> None:
    text = client.get("/projects/shop").text

    assert "breached" in text
    assert "Last change" in text
    assert f"/badge/{archive.projects(frozenset({'shop'}))[0].badge_key}.svg" in text


def test_a_project_without_a_proof_says_how_to_send_one(client: FlaskClient) -> None:
    assert "cloison prove --ledger http://localhost" in client.get("/projects/new").text


def test_a_user_without_a_project_is_referred_to_an_administrator(world: SampleLedger) -> None:
    assert "Ask an administrator of this ledger" in world.browser_of("bob").get("/projects").text


@pytest.mark.parametrize("path", ["", "/proofs", "/diff", "/doors", f"/proofs/{'0' * 64}", f"/proofs/{'0' * 64}.json"])
@pytest.mark.parametrize("project", ["secret", "nowhere"])
def test_a_project_that_a_user_may_not_read_is_not_found(client: FlaskClient, project: str, path: str) -> None:
    assert client.get(f"/projects/{project}{path}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/projects/nowhere",
        "/projects/nowhere/proofs",
        "/projects/nowhere/doors",
        "/projects/nowhere/diff",
        f"/projects/nowhere/proofs/{'0' * 64}",
        f"/projects/shop/proofs/{'0' * 64}",
        f"/projects/shop/proofs/{'0' * 64}.json",
        f"/projects/shop/proofs/{'x' * 64}",
        f"/projects/shop/diff/{'0' * 64}/{'0' * 64}",
        f"/projects/shop/diff?old={'0' * 64}",
    ],
)
def test_an_absent_page_is_not_found(root: FlaskClient, path: str) -> None:
    assert root.get(path).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["doors?port=65536", "doors?port=x", "doors?port=²", "doors?protocol=sctp", "doors?skip=-1", "proofs?before=x"],
)
def test_an_invalid_query_is_refused_with_a_sentence(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/projects/shop/{query}")

    assert answer.status_code == 400
    assert query.partition("?")[2].partition("=")[0] in answer.text


def test_projects_that_need_action_come_first(root: FlaskClient, archive: Archive, engine: Engine) -> None:
    for name, scene in {"a-holds": "tolerated", "b-open": "breach", "c-unsure": "unknown"}.items():
        add_project(engine, name)
        archive.save(name, proof(scene, datetime.now(UTC)), other_name=True)

    assert ["b-open", "shop", "c-unsure", "new", "secret", "a-holds"] == re.findall(
        r'<h2><a href="/projects/([^"]+)"', root.get("/projects").text
    )


def test_no_verdict_but_proven_is_called_proven(world: SampleLedger, archive: Archive, engine: Engine) -> None:
    add_project(engine, "unsure")
    archive.save("unsure", proof("unknown", datetime.now(UTC)), other_name=True)
    world.add("eve", "unsure")
    client = world.browser_of("eve").client
    badge = client.get(f"/badge/{archive.projects(frozenset({'unsure'}))[0].badge_key}.svg").text

    for text in (client.get("/projects").text, client.get("/projects/unsure").text, badge):
        assert not re.search(r"\bproven\b", text, re.IGNORECASE)


def test_an_unchanged_page_is_not_sent_again(client: FlaskClient, archive: Archive) -> None:
    for path in paths(archive):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert (again.status_code, again.data) == (304, b""), path
        assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "private, no-cache"
        assert "Cookie" in first.headers["Vary"]


def test_a_new_proof_makes_a_new_page(client: FlaskClient, archive: Archive) -> None:
    listed = [path for path in paths(archive) if "/shop" in path and "/diff/" not in path and "/evidence/" not in path]
    tags = {path: client.get(path).headers["ETag"] for path in listed}
    archive.save("shop", proof("tolerated", datetime.now(UTC) + timedelta(seconds=1)))

    for path, tag in tags.items():
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 200, path


def test_one_person_s_page_is_not_another_s(client: FlaskClient, root: FlaskClient) -> None:
    tag = client.get("/projects/shop").headers["ETag"]

    assert root.get("/projects/shop", headers={"If-None-Match": tag}).status_code == 200


def test_the_page_of_an_ended_session_is_not_that_of_the_next(client: FlaskClient, world: SampleLedger) -> None:
    tag = client.get("/projects/shop").headers["ETag"]
    again = world.browser_of("ada").client

    assert again.get("/projects/shop", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("path", "most"),
    [("/projects", 4), ("/projects/shop", 4), ("/projects/shop/proofs", 5), ("/projects/shop/doors?target=db", 5)],
)
def test_a_page_that_was_made_before_costs_a_few_questions(
    client: FlaskClient, engine: Engine, archive: Archive, path: str, most: int
) -> None:
    client.get(path)
    with statements(engine) as asked:
        client.get(path)

    assert len(asked) <= most, asked
    assert not any("document" in statement for statement in asked)


def test_a_proof_is_downloaded_as_it_was_sent(client: FlaskClient, archive: Archive) -> None:
    newest = of(archive)[0]
    answer = client.get(f"/projects/shop/proofs/{newest}.json")

    assert digest(answer.data) == newest
    assert answer.headers["Content-Disposition"] == f'attachment; filename="shop-{newest[:12]}.json"'
    again = client.get(f"/projects/shop/proofs/{newest}.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_history_goes_on_where_it_was_cut(
    client: FlaskClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.views.proofs.PAGE_PROOFS", 5)
    path, seen = "/projects/shop/proofs", []
    while path:
        text = client.get(path).text
        seen += re.findall(r'name="new" value="(\w+)"', text)
        more = re.search(r'rel="next" href="([^"]+)"', text)
        path = more[1].replace("&amp;", "&") if more else ""

    assert of(archive) == seen


def test_only_changes_leaves_the_repeats_out(client: FlaskClient, archive: Archive) -> None:
    text = client.get("/projects/shop/proofs?only=changes").text
    changed = [record.digest for record in archive.proofs("shop", limit=500, only_changes=True).records]

    assert changed == re.findall(r'name="new" value="(\w+)"', text)


def test_two_proofs_are_compared_in_the_order_of_time(client: FlaskClient, archive: Archive) -> None:
    newest, older, *_, oldest = of(archive)

    for query, expected in {
        "": f"{older}/{newest}",
        f"?old={newest}&new={oldest}": f"{oldest}/{newest}",
        f"?new={older}": f"{of(archive)[2]}/{older}",
        f"?new={oldest}": f"{oldest}/{oldest}",
    }.items():
        assert client.get(f"/projects/shop/diff{query}").headers["Location"] == f"/projects/shop/diff/{expected}"


def test_a_proof_is_not_compared_with_itself(client: FlaskClient, archive: Archive) -> None:
    only = of(archive)[0]

    page = client.get(f"/projects/shop/diff/{only}/{only}").text

    assert "one and the same proof" in page
    assert "No connection" not in page


def test_the_difference_lists_opened_connections(client: FlaskClient, archive: Archive) -> None:
    newest, older, *_ = of(archive)
    text = re.sub(r"<[^>]+>|\s+", " ", client.get(f"/projects/shop/diff/{older}/{newest}").text)
    text = re.sub(r"\s+", " ", text)

    assert "Became a breach" in text
    assert text.index("Became a breach") < text.index("Closed")
    assert "outside → to db 3306/tcp closed" in text
    assert "proxy → to app 5000/tcp open as predicted open not as predicted" in text


def test_the_beginning_of_a_digest_leads_to_the_comparison(client: FlaskClient, archive: Archive) -> None:
    newest, older, *_ = of(archive)
    response = client.get(f"/projects/shop/diff/{older[:12]}/{newest[:12]}")

    assert (302, f"/projects/shop/diff/{older}/{newest}") == (response.status_code, response.location)
    assert 404 == client.get(f"/projects/shop/diff/{'0' * 12}/{newest[:12]}").status_code
    assert 404 == client.get(f"/projects/shop/diff/{'x' * 12}/{newest[:12]}").status_code


def test_the_project_page_opens_with_what_changed_and_the_picture(client: FlaskClient, archive: Archive) -> None:
    text = client.get("/projects/shop").text
    places = [text.index(word) for word in ('id="verdict"', "became a breach", 'id="diagram"', 'id="to-act-on"')]
    places += [text.index(word) for word in ('id="policy"', 'id="matrix"', 'id="evidence"')]

    assert sorted(places) == places
    assert "What to do" in text
    assert "x-cloison.allow" in text
    assert "Docker has no policy inside a network" in text


def test_the_changes_of_a_large_proof_are_counted_and_linked(
    client: FlaskClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.views.project.MAX_COMPARED_FLOWS", 10)
    newest, older, *_ = of(archive)
    text = client.get("/projects/shop").text
    record = archive.record("shop", newest)

    assert record
    assert f"{record.changes} changed connections" in text
    assert f"/projects/shop/diff/{older}/{newest}" in text
    assert "became a breach" not in text


def test_the_evidence_of_many_connections_has_pages_of_its_own(
    client: FlaskClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.views.proof_fragments.MAX_INLINE", 10)
    page = f"/projects/shop/proofs/{of(archive)[0]}"
    text = client.get(page).text
    links = set(re.findall(rf'href="({page}/evidence/\d+)#(e\d+-\d+)"', text))

    assert len(links) > 5
    assert not re.search('href="#e\\d', text)
    for address, anchor in links:
        assert f'id="{anchor}"' in client.get(address).text
    assert 404 == client.get(f"{page}/evidence/999").status_code


def test_a_file_of_600_services_on_600_networks_costs_less_than_two_seconds(
    client: FlaskClient, archive: Archive
) -> None:
    found = json.loads(proof("holds", datetime.now(UTC)))
    service, network = found["project"]["services"][0], found["project"]["networks"][0]
    names = [f"n{i}" for i in range(600)]
    found["project"]["networks"] = [{**network, "name": name, "key": name} for name in names]
    found["project"]["services"] += [{**service, "name": f"s{i}", "networks": names} for i in range(600)]
    with suppress(InvalidProofError):  # a ledger may refuse it at the door
        archive.save("new", body(found))
    start = process_time()
    response = client.get("/projects/new")

    assert 200 == response.status_code
    assert process_time() - start < 2


@pytest.fixture
def collected_as_in_a_worker() -> Iterator[None]:
    before = gc.get_threshold()
    server.post_worker_init(None)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collected_as_in_a_worker")
def test_the_page_of_100_services_takes_a_second_at_first_and_less_than_300_milliseconds_again(
    app: Flask, client: FlaskClient, root: FlaskClient, archive: Archive
) -> None:
    made = body(large_document(100))
    archive.save("new", made, other_name=True)
    client.get("/projects/shop")  # compiles the templates, which a worker does once

    def page(browser: FlaskClient) -> None:
        answer = browser.get("/projects/new")
        assert 200 == answer.status_code
        assert "100 services in" in answer.text

    def uncached() -> float:
        app.extensions["fragment_cache"] = FragmentCache(FRAGMENT_CACHE_BYTES)
        app.extensions["pages"] = FragmentCache(PAGE_CACHE_BYTES)
        slowdown = max(1.0, seconds(lambda: json.loads(made)) / DECODING)
        return seconds(lambda: page(client)) / slowdown

    assert any(uncached() < 1 for _ in range(4))  # the first that meets it ends the trial
    assert seconds(lambda: page(root)) < 0.3  # the fragments are cached, and the page of another is not
    assert seconds(lambda: page(client)) < 0.3


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that work takes."""
    start = process_time()
    work()
    return process_time() - start


def test_a_page_that_takes_too_long_asks_to_come_back(
    client: FlaskClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> str:
        raise BusyError

    monkeypatch.setattr("ledger.views.proof_fragments.page_fragments", busy)
    response = client.get(f"/projects/shop/proofs/{of(archive)[0]}")

    assert (503, "5") == (response.status_code, response.headers["Retry-After"])
    assert "Try again in a moment" in response.text


def test_neighbours_lead_through_the_history(client: FlaskClient, archive: Archive) -> None:
    path, seen = f"/projects/shop/proofs/{of(archive)[0]}", []
    while path:
        seen.append(path.rpartition("/")[2])
        older = re.search(r'rel="prev" href="([^"]+)"', client.get(path).text)
        path = older[1] if older else ""

    assert of(archive) == seen


def test_connections_show_since_when_and_by_which_proof(client: FlaskClient, archive: Archive) -> None:
    text = client.get("/projects/shop/doors?source=outside&target=db&port=3306&protocol=tcp").text
    intervals = archive.intervals("shop", source="outside", target="db", port=3306, protocol="tcp")

    assert text.count("<li class=") == 1
    for interval in intervals:
        assert f"/projects/shop/proofs/{interval.since_digest}" in text
        assert f'class="band {interval.judgement}"' in text


def listed(client: FlaskClient, query: str) -> set[str]:
    """Return the connections that the page over time lists."""
    text = client.get(f"/projects/shop/doors?{query}").text
    return set(re.findall(r'<table>\s*<caption class="visually-hidden">([^<]+),', text))


def test_only_connections_that_changed_are_listed_without_a_choice(client: FlaskClient, archive: Archive) -> None:
    first = min(record.started for record in archive.proofs("shop", limit=500).records)
    changed = {f"{s.source} to {s.target}" for s in archive.intervals("shop", limit=500) if s.until or s.since > first}

    assert changed == listed(client, "")
    assert changed < listed(client, "which=all")


def test_who_filters_gets_connections_that_never_changed_too(client: FlaskClient, archive: Archive) -> None:
    found = {f"{s.source} to db" for s in archive.intervals("shop", target="db", limit=500)}

    assert found == listed(client, "target=db")
    assert found >= listed(client, "target=db&which=changed")


def test_a_range_of_time_lists_what_changed_in_it(client: FlaskClient, archive: Archive) -> None:
    today = datetime.now(UTC).date()

    assert listed(client, "") == listed(client, f"from={today - timedelta(days=3)}&until={today + timedelta(days=1)}")
    assert set() == listed(client, "until=2020-01-01")
    assert set() == listed(client, f"which=all&from={today + timedelta(days=2)}&until=2020-01-01")


def test_every_connection_is_on_one_of_the_pages(
    client: FlaskClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.views.connections.PAGE_INTERVALS", 20)
    path, seen = "/projects/shop/doors?which=all", []
    while path:
        text = client.get(path).text
        seen += re.findall(r'<table>\s*<caption class="visually-hidden">([^<]+),', text)
        more = re.search(r'rel="next" href="([^"]+)"', text)
        path = more[1].replace("&amp;", "&") if more else ""
    connections = {(s.target, s.port, s.protocol, s.source) for s in archive.intervals("shop", limit=500)}

    assert len(connections) == len(seen)


def test_a_badge_is_for_everybody_and_kept_for_a_minute(app: Flask, archive: Archive) -> None:
    client = app.test_client()
    keys = {record.name: record.badge_key for record in archive.projects(None)}
    shop, new = client.get(f"/badge/{keys['shop']}.svg"), client.get(f"/badge/{keys['new']}.svg")

    assert (shop.mimetype, shop.headers["Cache-Control"]) == ("image/svg+xml", "public, max-age=60")
    assert re.search(r"isolation: breached · \d+ (min|h)", shop.text)
    assert "isolation: none" in new.text
    assert "shop" not in shop.text
    assert client.get(f"/badge/{keys['shop']}.svg", headers={"If-None-Match": shop.headers["ETag"]}).status_code == 304
    assert client.get(f"/badge/{'0' * 32}.svg").status_code == 404


def test_files_are_kept_for_good_under_their_edition_and_no_other(client: FlaskClient) -> None:
    address = re.search(r'href="(/static/ledger\.css\?edition=\w+)"', client.get("/projects").text)
    assert address is not None

    for path, is_kept in {address[1]: True, "/static/ledger.css?edition=of-yesterday": False}.items():
        with client.get(path) as answer:
            assert is_kept is ("immutable" in answer.headers["Cache-Control"])


def test_a_proof_of_another_project_says_so_on_its_pages(root: FlaskClient, archive: Archive, engine: Engine) -> None:
    add_project(engine, "mixed")
    kept = archive.save("mixed", proof("unknown", datetime.now(UTC)), other_name=True)
    own = archive.projects(frozenset({"shop"}))[0].last
    assert own is not None

    for page in ("/projects/mixed", f"/projects/mixed/proofs/{kept.digest}"):
        assert "The document names another Compose project: <b>shop</b>" in root.get(page).text
    for page in ("/projects/shop", f"/projects/shop/proofs/{own.digest}"):
        assert "names another Compose project" not in root.get(page).text
