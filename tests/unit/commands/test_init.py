"""`cloison init`: the block on stdout, what it accepts on stderr, and the Compose file with the policy in it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # the tests alone read YAML

from cloison import cli
from cloison.linux import netns

FILE = """\
# a shop
name: init-shop
services:
  web:
    image: "nginx"  # the front
    ports: ["8080:80"]
    depends_on: [app]
    networks: [front, back]
  app:
    image: example/app
    expose: ["5000"]
    environment: {DATABASE_URL: "postgres://user:secret@db:5432/shop"}
    networks: [back]
  db:
    image: postgres:16
    networks: [back]
networks: {front: , back: {internal: true}}
"""
ALLOW = ["outside -> web:80", "app -> db:5432", "web -> app:5000"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Compose file, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("COMPOSE_FILE", "COMPOSE_PROFILES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    (tmp_path / "compose.yaml").write_text(FILE)
    return tmp_path


def test_the_block_is_on_stdout_and_what_it_accepts_on_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    code = cli.run(["init"])
    seconds = time.monotonic() - began
    shown = capsys.readouterr()

    assert 0 == code
    assert ALLOW == yaml.safe_load(shown.out)["x-cloison"]["allow"]
    assert "This policy accepts: every connection between app, db, web over the network back" in shown.err
    assert "secret" not in shown.out + shown.err
    assert seconds < 5, "a draft of three services takes less than a second where nothing else runs"


def test_the_project_is_sound_with_the_policy_in_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "compose.yaml"
    path.chmod(0o640)

    assert 0 == cli.run(["init", "--write"])
    assert path.read_text().startswith(FILE + "\nx-cloison:\n")
    assert 0o640 == path.stat().st_mode & 0o777
    assert [path] == [*folder.iterdir()]
    assert "" == capsys.readouterr().out
    assert 0 == cli.run(["plan"])


def test_a_policy_is_replaced_with_force_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "compose.yaml"
    assert 0 == cli.run(["init", "--write"])
    written = path.read_text()

    assert 2 == cli.run(["init", "--write"])
    assert "the file has a policy already; --force replaces it" in capsys.readouterr().err
    path.write_text(written.replace("app -> db:5432", "app -> db"))
    assert 0 == cli.run(["init", "--write", "--force"])
    assert written == path.read_text()
    assert 0 == cli.run(["init"])
    assert "this draft does not look at it" in capsys.readouterr().err


def test_a_policy_goes_into_the_first_of_several_files_and_through_a_link(folder: Path) -> None:
    (folder / "more.yaml").write_text("services: {db: {expose: ['5432']}}\n")
    (folder / "link.yaml").symlink_to("compose.yaml")

    assert 0 == cli.run(["init", "-f", "link.yaml", "-f", "more.yaml", "--write"])
    assert (folder / "link.yaml").is_symlink()
    assert "x-cloison" in (folder / "compose.yaml").read_text()
    assert "x-cloison" not in (folder / "more.yaml").read_text()


def test_a_policy_in_another_file_is_not_doubled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yaml").write_text("x-cloison: {allow: []}\n")

    assert 2 == cli.run(["init", "-f", "compose.yaml", "-f", "rules.yaml", "--write", "--force"])
    assert "in another of its Compose files; remove it there first" in capsys.readouterr().err
    assert FILE == (folder / "compose.yaml").read_text()


def test_a_file_in_braces_is_left_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps(yaml.safe_load(FILE))
    (folder / "compose.yaml").write_text(text)

    assert 2 == cli.run(["init", "--write"])
    assert "print the policy without --write, and paste it" in capsys.readouterr().err
    assert text == (folder / "compose.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["init", "-f", "-", "--write"], "comes from stdin"),
        (["init", "--learn", "soon"], '"soon" is not a duration; write it like 60s, 5m or 1h, at most 24h'),
        (["init", "--learn", "25h"], "at most 24h"),
        (["init", "--learn", "0"], "at most 24h"),
        (["init", "--engine", "new"], '"new" is not a version of Docker Engine'),
    ],
)
def test_a_wrong_option_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert 2 == cli.run(words)
    assert said in capsys.readouterr().err


def test_without_a_compose_file_there_is_nothing_to_write(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "compose.yaml").unlink()

    assert 2 == cli.run(["init", "--write"])
    assert "no Compose file was found" in capsys.readouterr().err


def test_without_an_engine_the_draft_is_made_from_the_file_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.run(["init", "--learn", "1h"])
    assert "the draft is made from the file alone" in capsys.readouterr().err


def test_without_root_the_draft_is_made_from_the_file_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netns, "can_enter", lambda: False)

    assert 0 == cli.run(["init", "--learn", "1h"])
    said = capsys.readouterr().err
    assert "Connections are read by root on the engine's machine only; the draft is made from the file alone." in said


def test_services_behind_a_profile_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "compose.yaml"
    path.write_text(FILE.replace("image: postgres:16", "image: postgres:16\n    profiles: [data]"))

    assert 0 == cli.run(["init", "--profile", "data"])
    assert "services with profiles (db); plan and prove it with the same profiles" in capsys.readouterr().err
