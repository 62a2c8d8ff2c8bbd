"""Compose's resolution is started before it is asked for, once, and is ended with the block."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cloison.cli import run
from cloison.engine import compose_cli
from cloison.engine.compose_cli import Selection
from cloison.errors import NotProven
from cloison.ledger_client.config import TOKEN_VARIABLE

PROGRAM = """#!/bin/sh
echo "started $$ ${SECRET-none}" >> "$LOG"
exec echo '{"name": "x", "services": {"web": {"image": "web"}}}'
"""
SELECTION = Selection(("compose.yml",))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that lists every start of a program in the place of Compose."""
    program = tmp_path / "docker"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("SECRET", "token")
    return tmp_path / "log"


def resolved(selection: Selection = SELECTION) -> Mapping[str, Any]:
    return json.loads(json.dumps(compose_cli.resolved(selection)))  # type: ignore[no-any-return]


def test_it_runs_once_and_without_the_secrets(log: Path) -> None:
    with compose_cli.started_ahead(SELECTION, "SECRET"):
        assert "x" == resolved()["name"]

    (line,) = log.read_text().splitlines()
    assert line.endswith(" none")


def test_a_proof_hides_the_token_of_the_ledger_from_compose(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = log.parent / "docker"
    program.write_text(PROGRAM.replace("SECRET", TOKEN_VARIABLE))
    monkeypatch.setenv(TOKEN_VARIABLE, "token")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{log.parent}/no-engine")
    monkeypatch.chdir(log.parent)

    assert 3 == run(["prove", "-f", "compose.yml"])
    assert [" none"] == [line[-5:] for line in log.read_text().splitlines()]


def test_a_second_resolution_runs_it_again(log: Path) -> None:
    with compose_cli.started_ahead(SELECTION):
        resolved()
        resolved()

    assert 2 == len(log.read_text().splitlines())


def test_one_that_nobody_asks_for_is_ended_with_the_block(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(log.parent, "docker").write_text(f"#!/bin/sh\necho $$ > {log}\nexec sleep 60\n")
    os.mkfifo(log)
    with compose_cli.started_ahead(SELECTION):
        pid = int(log.read_text())
        os.kill(pid, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("selection", [Selection(("-",)), Selection(project="x")])
def test_stdin_and_a_name_alone_are_not_started_ahead(
    log: Path, monkeypatch: pytest.MonkeyPatch, selection: Selection
) -> None:
    monkeypatch.setattr(compose_cli, "stdin_text", lambda: "services: {}")
    with compose_cli.started_ahead(selection):
        pass

    assert not log.exists()


def test_a_program_that_is_missing_is_an_error_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with (
        compose_cli.started_ahead(SELECTION),
        pytest.raises(NotProven, match="Docker Compose v2 is not installed"),
    ):
        resolved()
