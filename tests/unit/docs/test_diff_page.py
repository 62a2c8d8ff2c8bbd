"""The page about `cloison diff` names what the document has, and its example says what the command says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

import msgspec
import pytest

from cloison.cli import cloison
from cloison.diff.schema import ChangeKind, ChangePart, Diff

PAGE: Final = (Path(__file__).parents[3] / "docs" / "diff.md").read_text()
COMPOSE: Final = """\
name: shop
services:
  web: {image: web, networks: [front], ports: ["8080:80"]}
  db: {image: db, networks: [front], expose: ["3306"]}
networks:
  front: {}
x-cloison:
  allow: [outside -> web:80]
"""


def test_every_kind_of_change_is_explained() -> None:
    rows = re.findall(r"^\| (`[a-z`, ]+`) \|", PAGE[PAGE.index("| what happened |") :], re.MULTILINE)
    named = re.findall(r"`([a-z]+)`", " ".join(rows[: len(rows)]))

    assert set(get_args(ChangeKind)) <= set(named)


@pytest.mark.parametrize("part", [Diff, ChangePart])
def test_every_member_of_the_document_is_explained(part: type[msgspec.Struct]) -> None:
    members = {field.name for field in msgspec.structs.fields(part)}

    assert {name for name in members if f"`{name}`" not in PAGE} == set()


def test_the_example_of_a_baseline_is_what_the_command_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    (tmp_path / "compose.yml").write_text(COMPOSE)
    example = PAGE[PAGE.index("$ cloison plan --format json -o baseline.json") :].split("```")[0].strip().splitlines()
    commands = [line.removeprefix("$ cloison ").split() for line in example if line.startswith("$")]

    codes = [cloison.main(words, standalone_mode=False) for words in commands]

    assert [1, 0] == codes
    assert example[-1] in capsys.readouterr().err.splitlines(), "beside the verdict, which is in the report as well"
