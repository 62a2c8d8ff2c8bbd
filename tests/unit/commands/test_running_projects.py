"""`cloison ls` and `cloison prove --all` on a fake engine: lines, documents and exit codes; Compose is the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from cloison.cli import run
from cloison.commands import output
from cloison.commands.ls import table
from cloison.engine import connection, labels
from cloison.errors import FileError, NotProven
from cloison.workflow.request import Request

FILE: Final = "services: {web: {image: web}}\n"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The containers of an engine, at first none."""
    containers: list[dict[str, Any]] = []

    @contextmanager
    def connected() -> Iterator[Any]:
        yield SimpleNamespace(api=SimpleNamespace(containers=lambda **_: containers))

    monkeypatch.setattr(connection, "engine_connection", connected)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    return containers


def container(project: str, folder: Path, text: str | None = FILE, state: str = "running") -> dict[str, Any]:
    """Return a container of a project; None for a file that is not on this machine."""
    file = folder / project / "compose.yml"
    file.parent.mkdir(exist_ok=True)
    if text is not None:
        file.write_text(text)
    found = {
        labels.COMPOSE_PROJECT: project,
        labels.COMPOSE_SERVICE: "web",
        labels.COMPOSE_FILES: str(file),
        labels.COMPOSE_FOLDER: str(file.parent),
    }
    return {"Labels": found, "State": state}


# The list.


def test_an_engine_without_projects_has_an_empty_list(engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["ls"])
    assert ("", "No Compose project has a container on this engine.\n") == capsys.readouterr()
    assert 0 == run(["ls", "--format", "json"])
    assert "[]\n" == capsys.readouterr().out


def test_the_policy_is_yes_no_or_unknown(engine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"blog": FILE + "x-cloison: {allow: []}\n", "notes": None, "shop": FILE, "wiki": "services: {web: 3"}
    engine += [container(name, tmp_path, text) for name, text in texts.items()]

    assert 0 == run(["ls", "--format", "json"])
    found = {row["project"]: row["policy"] for row in json.loads(capsys.readouterr().out)}
    assert {"blog": "yes", "notes": "unknown", "shop": "no", "wiki": "unknown"} == found


def test_columns_are_aligned_and_the_last_is_as_wide_as_it_is() -> None:
    assert "A    BB\nccc  d\n" == table([("A", "BB"), ("ccc", "d")])


# The proofs.


@pytest.fixture
def proofs(engine: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, int | Exception]:
    """What the proof of each project ends with, in the place of probes."""
    ends: dict[str, int | Exception] = {}

    def prove(request: Request, *_others: object) -> int:
        end = ends[request.selection.project]
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(output, "prove_and_report", prove)
    return ends


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({"a": 0, "b": 0}, 0),
        ({"a": 0, "b": 1}, 1),
        ({"a": 3, "b": 1}, 1),
        ({"a": 0, "b": NotProven("no")}, 3),
        ({"a": FileError("wrong"), "b": 0}, 2),
        ({"a": FileError("wrong"), "b": 3}, 3),
        ({"a": FileError("wrong"), "b": 1}, 1),
    ],
    ids=str,
)
def test_the_exit_code_is_the_worst(
    engine: Any, proofs: dict[str, int | Exception], tmp_path: Path, ends: Mapping[str, int | Exception], code: int
) -> None:
    engine += [container(name, tmp_path) for name in ends]
    proofs.update(ends)

    assert code == run(["prove", "--all"])


def test_a_project_that_cannot_be_proven_is_a_line_with_the_reason(
    engine: Any, proofs: dict[str, int | Exception], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine += [container("blog", tmp_path, None), container("shop", tmp_path)]
    proofs["shop"] = 0

    assert 3 == run(["prove", "--all"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith('NOT PROVEN  blog: project "blog" runs, and ')


@pytest.mark.parametrize("states", [[], ["exited"]])
def test_nothing_that_runs_is_not_proven(
    engine: Any, tmp_path: Path, states: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    engine += [container("shop", tmp_path, FILE, state) for state in states]

    assert 3 == run(["prove", "--all"])
    assert "no Compose project runs on this engine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-f", "compose.yml"], "--all proves every project, so it goes with no option that selects one"),
        (["-p", "shop"], "--all proves every project, so it goes with no option that selects one"),
        (["--baseline", "old.json"], "nor with --baseline"),
        (["--format", "json"], "--all writes a folder for each project; say with --output where json goes"),
        (["--format", "html", "-o", "file"], "--all writes a folder for each project; say with --output where html"),
    ],
)
def test_an_option_for_one_project_is_a_usage_error(
    engine: Any, tmp_path: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    engine += [container("shop", tmp_path)]

    assert 2 == run(["prove", "--all", *words])
    assert sentence in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_a_usage_error(
    engine: Any, proofs: dict[str, int | Exception], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine += [container("shop", tmp_path)]
    proofs["shop"] = 0
    (tmp_path / "proofs").mkdir()
    (tmp_path / "proofs/shop").touch()

    assert 2 == run(["prove", "--all", "--format", "json", "-o", "proofs"])
    assert "shop: the folder cannot be made: File exists" in capsys.readouterr().err
