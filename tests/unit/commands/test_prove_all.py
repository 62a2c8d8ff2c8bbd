"""`cloison prove --all`: a line for each project, and one exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloison.commands import operating_system
from cloison.commands import output as commands_output
from cloison.commands import prove as prove_verb
from cloison.engine import compose_cli, connection, running_projects
from cloison.engine.running_projects import RunningProject
from cloison.errors import UsageError
from cloison.ledger_client.config import TOKEN_VARIABLE


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """An engine without projects; a name and an exit code in the result are a project and that of its proof."""
    codes: dict[str, int] = {}
    file = tmp_path / "compose.yml"
    file.write_text("services: {}")

    @contextmanager
    def connected() -> Iterator[Any]:
        yield SimpleNamespace(api=None)

    def listed(_: Any) -> list[RunningProject]:
        return [RunningProject(name, (str(file),), "", (), frozenset(), 1, 1) for name in codes]

    def proven(request: Any, options: Any, *_: Any) -> int:
        assert TOKEN_VARIABLE not in os.environ, "no child process inherits the token"
        assert options.output is None or options.output.is_dir()
        return codes[request.selection.project]

    monkeypatch.setattr(operating_system, "check", lambda _: None)
    monkeypatch.setattr(connection, "engine_connection", connected)
    monkeypatch.setattr(running_projects, "running_projects", listed)
    monkeypatch.setattr(compose_cli, "profiles", lambda _: {})
    monkeypatch.setattr(commands_output, "prove_and_report", proven)
    return codes


def code_of(*words: str) -> Any:
    return prove_verb.command.main(["--all", *words], standalone_mode=False)


@pytest.mark.parametrize(("codes", "worst"), [((0, 0), 0), ((0, 3), 3), ((3, 1, 0), 1), ((2, 0), 2), ((3, 2), 3)])
def test_the_exit_code_is_the_worst(codes: tuple[int, ...], worst: int, engine: dict[str, int]) -> None:
    engine.update({f"p{number}": code for number, code in enumerate(codes)})

    assert worst == code_of()


def test_no_folder_is_named_after_a_label_that_compose_does_not_give(
    engine: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.update({"../evil\x1b[2J": 0, "shop": 0})

    assert 3 == code_of("--format", "json", "--output", str(tmp_path / "out"))
    assert ["shop"] == [path.name for path in (tmp_path / "out").iterdir()]
    assert not [*tmp_path.glob("evil*")]
    assert capsys.readouterr().out.startswith("NOT PROVEN  ../evil\\x1b[2J: ")


@pytest.mark.parametrize("words", [("--output", "out"), ("--format", "json")])
def test_a_folder_without_reports_and_reports_without_a_folder_are_one_error(
    words: tuple[str, ...], engine: dict[str, int]
) -> None:
    engine["shop"] = 0

    with pytest.raises(UsageError, match="--output"):
        code_of(*words)


def test_no_child_process_inherits_the_token(engine: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    engine["shop"] = 0
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")

    assert 0 == code_of()
