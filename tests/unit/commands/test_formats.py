"""The options of the reports: formats add up, each has its file, and SARIF names the lines of the Compose file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.unit.reports.sample_proofs import PROOFS
from tests.unit.reports.sarif_schema import SCHEMA

from cloison.cli import cloison
from cloison.errors import UsageError
from cloison.proof.schema import canonical
from cloison.reports import PLAN_REPORTS, REPORTS, SUFFIXES

COMPOSE = """\
services:
  web: {image: web, networks: [front], ports: ["8080:80"]}
  db: {image: db, networks: [front], expose: ["3306"]}
networks:
  front: {}
x-cloison:
  allow: [outside -> web:80]
"""


def run(*words: str) -> Any:
    """Run a verb and return its exit code."""
    return cloison.main([*words], standalone_mode=False)


@pytest.fixture
def stored(tmp_path: Path) -> str:
    path = tmp_path / "stored.json"
    path.write_bytes(canonical(PROOFS["breach"]()))
    return str(path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository" / "shop"
    folder.mkdir(parents=True)
    (folder.parent / ".git").mkdir()
    (folder / "compose.yml").write_text(COMPOSE)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    return folder


def test_every_report_but_the_terminals_has_a_suffix() -> None:
    assert REPORTS.keys() - {"terminal"} == SUFFIXES.keys()
    assert PLAN_REPORTS.keys() <= REPORTS.keys()


def test_formats_add_up_over_commas_and_options(stored: str, tmp_path: Path) -> None:
    words = ("--format", "json", "--format", "markdown,sarif", "--format", "junit", "--format", "json")

    assert 1 == run("report", stored, *words, "-o", str(tmp_path / "all"))
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert ["proof.json", "proof.junit.xml", "proof.md", "proof.sarif"] == names


def test_several_reports_do_not_go_into_a_file(stored: str) -> None:
    with pytest.raises(UsageError, match="it is a file, and 2 reports need a directory"):
        run("report", stored, "--format", "json,html", "-o", stored)


def test_every_report_of_a_plan_goes_into_a_directory(project: Path) -> None:
    code = run("plan", "--format", "json,markdown,sarif,junit,terminal", "-o", "out")

    assert 1 == code
    names = sorted(path.name for path in (project / "out").iterdir())
    assert ["plan.json", "plan.junit.xml", "plan.md", "plan.sarif"] == names


def locations(log: str) -> dict[str, Any]:
    """Return the physical location of each result by what it is about."""
    document = json.loads(log)
    jsonschema.validate(document, SCHEMA)
    found = [result["locations"][0] for result in document["runs"][0]["results"]]
    return {place["logicalLocations"][0]["fullyQualifiedName"]: place.get("physicalLocation") for place in found}


def test_the_lines_of_a_plan_are_those_of_the_repositorys_file(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("plan", "--format", "sarif")

    assert project.is_dir()
    found = locations(capsys.readouterr().out)["db -> web:80"]
    assert {"uri": "shop/compose.yml"} == found["artifactLocation"]
    assert 3 == found["region"]["startLine"]


def test_a_stored_proof_has_lines_only_where_its_file_is_named(
    stored: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("report", stored, "--format", "sarif")
    assert {None} == set(locations(capsys.readouterr().out).values())

    run("report", stored, "--format", "sarif", "--file", str(project / "compose.yml"))
    assert None not in locations(capsys.readouterr().out).values()


def test_a_file_that_cannot_be_read_has_no_lines(
    stored: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "binary.yml").write_bytes(b"\xff\xfe\x00")
    run("report", stored, "--format", "sarif", "-f", "missing.yml", "-f", "binary.yml")

    assert {None} == set(locations(capsys.readouterr().out).values())
