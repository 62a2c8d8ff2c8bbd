"""`cloison policy show`, `check` and `explain`: their output and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloison import cli

FILE = """\
name: policy-shop
services:
  web: {image: nginx, ports: ["8080:80"], networks: [net]}
  db: {image: db, expose: ["5432"], networks: [net]}
networks: {net: }
"""
POLICY = """\
x-cloison:
  allow: ["outside -> web:80", "web -> db:5432"]
  tolerate:
    - {network: net, why: Docker has no policy inside a network}
    - {flow: "* -> outside, host", why: nothing keeps it closed}
    - {flow: "db -> web:80", why: published}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Compose file and a policy, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    (tmp_path / "compose.yaml").write_text(FILE + POLICY)
    return tmp_path


def test_show_prints_the_policy_as_text_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.run(["policy", "show"])
    assert "allow[1]                  web -> db: 5432/tcp" in capsys.readouterr().out
    assert 0 == cli.run(["policy", "show", "--format", "json"])
    assert "web" == json.loads(capsys.readouterr().out)["allow"][1]["source"]


def test_check_exits_with_0_or_with_2_and_a_line_for_each_mistake(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.run(["policy", "check"])
    assert "No mistake was found in the policy.\n" == capsys.readouterr().out
    (folder / "compose.yaml").write_text(FILE + POLICY.replace("5432", "5433"))

    assert 2 == cli.run(["policy", "check"])
    assert 'x-cloison.allow[1]: "web -> db:5433": db declares no port 5433/tcp' in capsys.readouterr().out


def test_explain_prints_sentences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.run(["policy", "explain", "web", "db:5432"])
    assert "web -> db:5432/tcp: the policy needs it by x-cloison.allow[1]" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["show"], ["check"]])
def test_a_project_without_a_policy_is_an_error_that_names_init(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    (folder / "compose.yaml").write_text(FILE)

    assert 2 == cli.run(["policy", *words])
    assert "x-cloison: the project has no policy; `cloison init` drafts one" in capsys.readouterr().err
