"""The list of projects: what comes first, the search, the filter and its numbers, and its speed with many projects."""

import re
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from tests.ledger.mariadb.views.sample_history import proof
from tests.ledger.sample_proofs import add_project

from ledger.archive.store import Archive

SCENES = {"web-open": "breach", "web-unsure": "unknown", "web-fine": "tolerated", "api-fine": "tolerated"}


def proof_of(project: str, scene: str, started: datetime) -> bytes:
    """Return a scene's proof of another project."""
    document = msgspec.json.decode(proof(scene, started))
    document["project"]["name"] = project
    return msgspec.json.encode(document, order="sorted")


@pytest.fixture
def projects(archive: Archive, engine: Engine) -> None:
    """Add a project for each scene, one whose last proof is four days old, and let `shop`, `new` and `secret` be."""
    now = datetime.now(UTC)
    for name, scene in SCENES.items():
        add_project(engine, name)
        archive.save(name, proof_of(name, scene, now))
    add_project(engine, "late")
    archive.save("late", proof_of("late", "tolerated", now - timedelta(days=4)))


def shown(client: FlaskClient, query: str = "") -> list[str]:
    """Return the projects of the page, in their order."""
    return re.findall(r'<h2><a href="/projects/([^"]+)"', client.get(f"/projects{query}").text)


def groups(client: FlaskClient, query: str = "") -> dict[str, int]:
    """Return each group with its number."""
    part = re.search(r'<nav class="groups".*?</nav>', client.get(f"/projects{query}").text, re.DOTALL)
    assert part
    return {label.strip(): int(number) for label, number in re.findall(r">([^<>]+) <b>(\d+)</b>", part[0])}


@pytest.mark.usefixtures("projects")
def test_an_old_proof_needs_action_as_a_breach_does(root: FlaskClient) -> None:
    assert ["shop", "web-open", "web-unsure", "late", "new", "secret", "api-fine", "web-fine"] == sorted(
        shown(root), key=shown(root).index
    )
    page = root.get("/projects").text
    assert "4 need action" in page
    assert "No proof since" in page


@pytest.mark.usefixtures("projects")
def test_a_search_is_for_any_part_of_a_name_and_the_numbers_are_those_of_what_it_finds(root: FlaskClient) -> None:
    assert ["web-open", "web-unsure", "web-fine"] == shown(root, "?q=WEB")
    assert {"All": 3, "Breached": 1, "Unproven": 1, "Proven": 1} == groups(root, "?q=web")
    assert ["web-fine"] == shown(root, "?q=web&verdict=proven")
    assert "No project matches" in root.get("/projects?q=%25").text  # a name has no per cent sign: nothing is a pattern


@pytest.mark.usefixtures("projects")
def test_a_filter_shows_one_group(root: FlaskClient) -> None:
    everything = groups(root)

    assert {
        "All": 8,
        "Breached": 2,
        "Unproven": 1,
        "No recent proof": 1,
        "No proof yet": 2,
        "Proven": 2,
    } == everything
    assert ["late"] == shown(root, "?verdict=overdue")
    assert root.get("/projects?verdict=green").status_code == 400
    assert root.get("/projects?skip=-1").status_code == 400


@pytest.mark.usefixtures("projects")
def test_a_reader_searches_and_counts_only_what_may_be_read(client: FlaskClient) -> None:
    assert {"All": 2, "Breached": 1, "No proof yet": 1} == groups(client)
    assert [] == shown(client, "?q=web")


def test_a_project_says_how_many_connections_are_wrong_and_the_first_proof_is_no_change(
    root: FlaskClient, archive: Archive, engine: Engine
) -> None:
    add_project(engine, "fresh")
    archive.save("fresh", proof_of("fresh", "breach", datetime.now(UTC)))
    page = root.get("/projects?q=fresh").text

    assert re.search(r"<b>\d+</b> breaches", page)
    assert "No connection has changed yet" in page
    assert "docker 2" in page


def test_a_thousand_projects_are_listed_fast_and_page_by_page(
    root: FlaskClient, archive: Archive, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO project (name, created, badge_key, proofs, last_proof, changed_proof, trend)"
                " SELECT CONCAT('many-', LPAD(s.seq, 4, '0')), p.created, LEFT(MD5(s.seq), 32), p.proofs, p.last_proof,"
                " p.changed_proof, p.trend FROM seq_1_to_1000 s JOIN project p ON p.name = 'shop'"
            )
        )
    root.get("/projects")
    taken = []
    for number in range(5):
        begun = time.perf_counter()
        page = root.get(f"/projects?q=many-0&skip={number}").text
        taken.append(time.perf_counter() - begun)

    assert len(re.findall(r'<h2><a href="/projects/many-', page)) == 50
    assert min(taken) < 0.5  # seconds; 0.07 on two cores that did something else, too
    seen, path = [], "/projects?q=many"
    while path:
        page = root.get(path).text
        seen += re.findall(r'<h2><a href="/projects/([^"]+)"', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        path = more[1].replace("&amp;", "&") if more else ""
    assert [f"many-{number:04}" for number in range(1, 1001)] == seen
