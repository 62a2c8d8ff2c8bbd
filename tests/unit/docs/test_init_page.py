"""The example of docs/init.md is what `cloison init` and `cloison policy` print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from cloison import cli
from cloison.linux import netns

PAGE: Final = (Path(__file__).parents[3] / "docs" / "init.md").read_text()


def example(kind: str) -> str:
    """Return the example of a kind."""
    found = re.search(rf"^```{re.escape(kind)}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found, kind
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the Compose file of the page, which is the working directory; no engine is looked at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    monkeypatch.setattr(netns, "can_enter", lambda: False)
    (tmp_path / "compose.yaml").write_text(example("yaml compose"))
    return tmp_path


def test_the_draft_of_the_page_is_what_init_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.run(["init"])
    shown = capsys.readouterr()

    assert example("yaml draft") == shown.out
    assert example("text stderr") in shown.err


def test_the_explanation_of_the_page_is_what_policy_explain_prints(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "compose.yaml").write_text(example("yaml compose") + example("yaml draft"))

    assert 0 == cli.run(["policy", "explain", "app", "db:5432"])
    assert example("text explain app db:5432") == capsys.readouterr().out
    assert 0 == cli.run(["policy", "check"])


def test_every_option_of_init_and_every_verb_of_policy_is_on_the_page() -> None:
    context = cli.cloison.make_context("cloison", ["--help"], resilient_parsing=True)
    init, policy = (cli.cloison.get_command(context, name) for name in ("init", "policy"))
    assert init
    assert policy
    shared = {"files", "project", "profiles", "env_files", "debug"}
    own = {option.opts[0] for option in init.params if option.name not in shared and option.expose_value}

    assert [] == [name for name in sorted(own) if f"`{name}" not in PAGE]
    assert [] == [name for name in policy.commands if f"cloison policy {name}" not in PAGE]  # type: ignore[attr-defined]
