"""The pages and the verbs that remove proofs and projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ledger.sample_proofs import CLOSED_PORT, OPEN, body, document

from ledger.__main__ import main
from ledger.accounts import admin_removal, tokens
from ledger.archive import cli as archive_cli

if TYPE_CHECKING:
    from tests.ledger.mariadb.accounts.conftest import Browser, SampleLedger

    from ledger.archive.store import Archive


@pytest.fixture
def archive(world: SampleLedger) -> Archive:
    found: Archive = world.app.extensions["archive"]
    return found


@pytest.fixture
def digests(archive: Archive) -> list[str]:
    return [
        archive.save("ours", body(document({("app", "db", 3306): state}, minute=minute, project="ours"))).digest
        for minute, state in enumerate((CLOSED_PORT, OPEN))
    ]


@pytest.fixture
def ada(world: SampleLedger) -> Browser:
    return world.browser_of("ada")


@pytest.fixture
def operator(world: SampleLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_cli, "engine_for", lambda _: world.engine)


def test_an_administrator_removes_a_proof_after_a_confirmation(
    world: SampleLedger, ada: Browser, archive: Archive, digests: list[str]
) -> None:
    page = f"/projects/ours/proofs/{digests[1]}"
    address = f"/admin/projects/ours/proofs/{digests[1]}/remove"

    assert f'href="{address}"' in ada.get(page).text
    assert "Remove this proof" not in world.browser_of("rita").get(page).text
    assert "cannot be undone" in ada.get(address).text
    assert ada.client.post(address, data={}).status_code == 403
    assert ada.send(address).headers["Location"] == "/projects/ours/proofs"
    assert [digests[0]] == [record.digest for record in archive.proofs("ours").records]
    assert ("ada", "removed proof", f"ours/{digests[1]}") == world.log()[-1]
    assert ada.get(page).status_code == 404
    assert ada.get(address).status_code == 404


def test_a_proof_that_is_gone_meanwhile_is_told(ada: Browser, digests: list[str]) -> None:
    address = f"/admin/projects/ours/proofs/{'0' * 64}/remove"

    assert ada.send(address, page=f"/admin/projects/ours/proofs/{digests[0]}/remove").status_code == 404


def test_an_administrator_removes_a_project_by_typing_its_name(
    world: SampleLedger, ada: Browser, archive: Archive, digests: list[str]
) -> None:
    world.token("ours", "a token", may_write=True)
    refused = ada.send("/admin/projects/ours/remove", name="our")

    assert (422, True) == (refused.status_code, "Type ours to remove the project ours." in refused.text)
    assert 2 == len(archive.proofs("ours").records) == len(digests)
    assert ada.send("/admin/projects/ours/remove", name="ours").headers["Location"] == "/admin/projects"
    assert ("ada", "removed project", "ours, 2 proofs") == world.log()[-1]
    assert [] == world.do(lambda connection: tokens.of_project(connection, "ours"))
    assert ada.get("/projects/ours").status_code == 404
    assert ada.get("/admin/projects/ours/remove").status_code == 404


def test_a_page_leaves_a_large_project_to_the_command_line(
    ada: Browser, archive: Archive, digests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_removal, "MAX_PROOFS", 1)
    refused = ada.send("/admin/projects/ours/remove", name="ours")

    assert (422, True) == (refused.status_code, "python -m ledger remove-project ours --yes" in refused.text)
    assert len(digests) == len(archive.proofs("ours").records)


@pytest.mark.usefixtures("operator")
def test_an_operator_removes_a_proof_and_a_project(
    world: SampleLedger, archive: Archive, digests: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == main(["remove-proof", "ours", digests[0]])
    assert "repeat it with --yes" in capsys.readouterr().err
    assert 0 == main(["remove-proof", "ours", digests[0], "--yes"])
    assert ("command line", "removed proof", f"ours/{digests[0]}") == world.log()[-1]
    assert 1 == main(["remove-proof", "ours", digests[0], "--yes"])
    assert [digests[1]] == [record.digest for record in archive.proofs("ours").records]

    assert 0 == main(["rebuild"])
    assert 0 == main(["rebuild", "ours"])
    assert 1 == main(["rebuild", "nobody"])
    assert "There is no project 'nobody'." in capsys.readouterr().err

    assert 1 == main(["remove-project", "ours"])
    assert "repeat it with --yes" in capsys.readouterr().err
    assert 0 == main(["remove-project", "ours", "--yes"])
    assert ("command line", "removed project", "ours, 1 proofs") == world.log()[-1]
    assert 1 == main(["remove-project", "ours", "--yes"])
    assert ["theirs"] == [record.name for record in archive.projects(None)]
