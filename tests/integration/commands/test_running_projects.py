"""Projects that run on the engine, without their Compose files at hand: `ls`, `prove -p NAME` and `prove --all`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.integration.compose_project import Lab, service
from tests.integration.project_fixtures import labs

from cloison import cli
from cloison.engine import running_projects as module
from cloison.proof.schema import parse

pytestmark = pytest.mark.engine
TO_HOST: Final = {"flow": "* -> host", "why": "containers reach the addresses of their host"}
SOUND: Final[Mapping[str, Any]] = {
    "services": {"web": service(80, networks=["inside"])},
    "networks": {"inside": {"internal": True}},
    "x-cloison": {"tolerate": [TO_HOST]},
}
BREACHED: Final = {**SOUND, "x-cloison": {"allow": []}}
PLAIN: Final = {key: value for key, value in SOUND.items() if key != "x-cloison"}
QUIET: Final = "--quiet"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Three projects of one container each."""

    sound: Lab
    breached: Lab
    plain: Lab


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The projects: one is as its policy says, one is not, one has no policy."""
    parent = tmp_path_factory.mktemp("fleet")
    for sound in labs(parent, "sound"):
        for breached in labs(parent, "breached"):
            for plain in labs(parent, "plain"):
                sound.up(dict(SOUND))
                breached.up(dict(BREACHED))
                plain.up(dict(PLAIN))
                yield Fleet(sound, breached, plain)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a Compose file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    return tmp_path


@contextmanager
def without_file(lab: Lab) -> Iterator[None]:
    """Have a project whose file is gone."""
    file, kept = lab.folder / "compose.json", lab.folder / "kept.json"
    file.rename(kept)
    try:
        yield
    finally:
        kept.rename(file)


def only(monkeypatch: pytest.MonkeyPatch, *known: Lab) -> None:
    """Leave out the projects of others on this engine."""
    every = module.running_projects
    names = {lab.name for lab in known}
    monkeypatch.setattr(
        module, "running_projects", lambda api: [project for project in every(api) if project.name in names]
    )


# By its name.


def test_a_project_is_proven_by_its_name_where_no_file_is(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.run(["prove", "-p", fleet.sound.name, QUIET])
    assert capsys.readouterr().out.startswith(f"PROVEN  {fleet.sound.name}: ")
    assert 1 == cli.run(["prove", "-p", fleet.breached.name, QUIET])


def test_a_name_that_no_project_has_is_not_proven_and_a_similar_one_is_suggested(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 3 == cli.run(["prove", "-p", f"{fleet.sound.name}x", QUIET])

    said = capsys.readouterr().err
    assert f'no container of project "{fleet.sound.name}x"' in said
    assert f'did you mean "{fleet.sound.name}"?' in said
    assert "`cloison ls` lists the projects" in said


def test_a_project_whose_file_is_gone_is_proven_by_a_copy_of_it(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = fleet.sound
    with without_file(lab):
        assert 3 == cli.run(["prove", "-p", lab.name, QUIET])
        said = capsys.readouterr().err
        copy = str(lab.folder / "kept.json")

        assert f'project "{lab.name}" runs, and {lab.folder / "compose.json"} is not on this machine' in said
        assert "name its Compose file with --file" in said
        assert 0 == cli.run(["prove", "-p", lab.name, "--file", copy, QUIET])


# All of them.


def test_all_projects_are_proven_a_line_and_a_document_for_each(
    fleet: Fleet, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, fleet.sound, fleet.plain)

    assert 0 == cli.run(["prove", "--all", "--format", "json", "--output", "proofs"])

    without, sound = capsys.readouterr().out.splitlines()
    assert without.startswith(f"AS DRAWN  {fleet.plain.name}: ")
    assert sound.startswith(f"PROVEN  {fleet.sound.name}: ")
    for lab in (fleet.sound, fleet.plain):
        written = parse((elsewhere / "proofs" / lab.name / "proof.json").read_bytes())
        assert lab.name == written.project.name


def test_one_breach_is_the_exit_code_of_all(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, fleet.sound, fleet.breached, fleet.plain)
    with without_file(fleet.plain):
        assert 1 == cli.run(["prove", "--all"])

    assert ["BREACHED", "NOT PROVEN", "PROVEN"] == [
        line.split("  ")[0] for line in capsys.readouterr().out.splitlines()
    ]


def test_a_project_whose_file_is_gone_is_a_line_and_the_others_are_proven(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, fleet.sound, fleet.plain)
    with without_file(fleet.plain):
        assert 3 == cli.run(["prove", "--all"])

    gone, sound = capsys.readouterr().out.splitlines()
    assert gone.startswith(f'NOT PROVEN  {fleet.plain.name}: project "{fleet.plain.name}" runs, and ')
    assert sound.startswith(f"PROVEN  {fleet.sound.name}: ")


# The list.


def test_the_list_says_which_projects_have_a_policy(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, fleet.sound, fleet.breached, fleet.plain)
    with without_file(fleet.breached):
        assert 0 == cli.run(["ls"])
        head, *rows = capsys.readouterr().out.splitlines()
        assert 0 == cli.run(["ls", "--format", "json"])
        listed = json.loads(capsys.readouterr().out)

    policies = {fleet.breached.name: "unknown", fleet.plain.name: "no", fleet.sound.name: "yes"}
    files = {lab.name: str(lab.folder / "compose.json") for lab in (fleet.breached, fleet.plain, fleet.sound)}
    assert ["PROJECT", "RUNNING", "POLICY", "FILES"] == head.split()
    assert [[name, "1/1", policy, files[name]] for name, policy in policies.items()] == [row.split() for row in rows]
    assert policies == {part["project"]: part["policy"] for part in listed}
    assert {name: [file] for name, file in files.items()} == {part["project"]: part["files"] for part in listed}
    assert {("web",)} == {tuple(part["services"]) for part in listed}
    assert {(1, 1)} == {(part["running"], part["containers"]) for part in listed}
