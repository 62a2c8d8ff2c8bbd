"""`cloison compose`: the words with which Docker Compose calls a provider, and the messages that it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.reports.sample_proofs import PROOFS

from cloison.cli import cloison
from cloison.commands import compose as provider
from cloison.commands import rehearse
from cloison.errors import FileError
from cloison.plan.schema import parse
from cloison.proof.schema import Proof

SOUND = """\
name: shop
services:
  web: {image: web, networks: [front]}
  isolation: {provider: {type: cloison}}
networks: {front: {internal: true}}
x-cloison: {tolerate: [{flow: "* -> host", why: known}]}
"""


def run(*words: str) -> Any:
    """Call the provider as Compose does, and return its exit code."""
    return cloison.main(["compose", *words], standalone_mode=False)


def messages(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """Return the messages on stdout, of which every line is one."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(part["type"], part["message"]) for part in found]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    (tmp_path / "compose.yml").write_text(SOUND)
    return tmp_path


def test_a_sound_plan_lets_the_services_start_and_tells_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("--project-name=shop", "up", "--check=plan", "--output=plan.json", "isolation")

    found = dict(messages(capsys))
    assert {"info", "setenv"} == set(found)
    assert "sound" == parse((folder / "plan.json").read_bytes()).verdict.word


def test_the_variables_are_the_verdict_and_the_digest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--project-name=shop", "up", "--check=plan", "isolation")

    assert folder.is_dir()
    verdict, digest = (text for kind, text in messages(capsys) if kind == "setenv")
    assert "VERDICT=sound" == verdict
    assert digest.startswith("DIGEST=sha256:")


def test_strictly_a_toleration_keeps_the_services_from_starting(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run("--project-name=shop", "up", "--check=plan", "--strict=true", "--file=compose.yml", "isolation")

    assert folder.is_dir()
    kind, text = messages(capsys)[-1]
    assert ("error", True) == (kind, text.startswith("isolation: BREACHED: "))


def test_an_error_is_a_message_for_compose_and_for_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "compose.yml").write_text("services: [")
    with pytest.raises(FileError, match="cannot be resolved"):
        run("--project-name=shop", "up", "--check=plan", "isolation")

    ((kind, text),) = messages(capsys)
    assert ("error", True) == (kind, "cannot be resolved" in text)


def test_a_rehearsal_is_the_check_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rehearsed(_request: object, progress: Callable[[str], None]) -> Proof:
        progress("x")
        return PROOFS["unknown"]()

    monkeypatch.setattr(rehearse, "rehearse", rehearsed)

    assert 3 == run("--project-name=shop", "up", "isolation")
    found = messages(capsys)
    assert ("info", "x") == found[0]
    assert "NOT PROVEN" in found[-1][1]


def test_down_releases_nothing_whatever_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert not run("--project-name=shop", "down", "--check=plan", "--other=x", "isolation")
    assert "" == capsys.readouterr().out


def test_the_metadata_describe_the_options_that_up_takes(capsys: pytest.CaptureFixture[str]) -> None:
    run("metadata")
    described = json.loads(capsys.readouterr().out)

    context = provider.command.make_context("compose", ["up", "x"])
    up = provider.command.get_command(context, "up")
    assert up
    options = [option.opts[0].removeprefix("--") for option in up.params if option.opts[0].startswith("--")]
    assert options == [part["name"] for part in described["up"]["parameters"]]
    assert {"parameters": []} == described["down"]
