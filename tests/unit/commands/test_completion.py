"""What the shells complete, and the scripts that let them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from cloison.cli import VERBS, cloison
from cloison.reports import PLAN_REPORTS, REPORTS

BASH = (
    'source "$1"; COMP_WORDS=(cloison plan --exter); COMP_CWORD=2; _cloison_completion cloison; '
    'echo "${COMPREPLY[@]}"; complete -p cloison'
)
ZSH = (
    'autoload -U compinit; compinit -u -D; source "$1"; '
    "print -r -- ${_comps[cloison]} ${+functions[_cloison_completion]}"
)


def completed(line: str) -> list[str]:
    """Return the words that complete the last word of a command line, a file as its type."""
    *words, incomplete = line.split(" ")[1:]
    items = ShellComplete(cloison, {}, "cloison", "_CLOISON_COMPLETE").get_completions(words, incomplete)
    return [item.value if item.type == "plain" else f"({item.type})" for item in items]


@pytest.fixture
def script(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The script for a shell in a file."""
    result = CliRunner().invoke(cloison, ["completion", request.param])
    assert result.exit_code == 0, result.output
    file = tmp_path / f"cloison.{request.param}"
    file.write_text(result.output)
    return file


@pytest.fixture
def path_with_command() -> dict[str, str]:
    """An environment in whose PATH the installed command is the first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_every_verb_is_completed() -> None:
    assert [*VERBS] == completed("cloison ")
    assert ["plan", "plugin"] == completed("cloison pl")
    assert ["install", "remove"] == completed("cloison plugin ")


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_completed(verb: str) -> None:
    context = cloison.make_context("cloison", [], resilient_parsing=True)
    command = cloison.get_command(context, verb)
    assert command
    named = {
        max(option.opts, key=len) for option in command.get_params(context) if isinstance(option, click.Option)
    } - {"-h"}

    assert named <= {*completed(f"cloison {verb} --")}
    assert named


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cloison plan --external ", ["bridge", "internal"]),
        ("cloison plan --format ", [*PLAN_REPORTS]),
        ("cloison prove --format terminal,h", ["terminal,html"]),
        ("cloison prove --format ", [*REPORTS]),
        ("cloison plan -f ", ["(file)"]),
        ("cloison plan --env-file ", ["(file)"]),
        ("cloison prove --output ", ["(file)"]),
        ("cloison report ", ["(file)"]),
        ("cloison completion ", ["bash", "zsh", "fish"]),
    ],
)
def test_choices_and_files_are_completed(line: str, expected: list[str]) -> None:
    assert expected == completed(line)


def test_a_report_is_not_completed_twice() -> None:
    assert [] == completed("cloison plan --format json,js")


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash_completes_with_the_script(script: Path, path_with_command: dict[str, str]) -> None:
    words = ["bash", "--norc", "-c", BASH, "bash", str(script)]
    said = subprocess.run(words, env=path_with_command, check=True, capture_output=True, text=True).stdout

    assert ["--external", "complete -o nosort -F _cloison_completion cloison"] == said.splitlines()


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh_takes_the_script(script: Path, path_with_command: dict[str, str]) -> None:
    if not shutil.which("zsh"):
        pytest.skip("this machine has no zsh")
    said = subprocess.run(
        ["zsh", "-f", "-c", ZSH, "zsh", script], env=path_with_command, check=True, capture_output=True, text=True
    )

    assert ("_cloison_completion 1\n", "") == (said.stdout, said.stderr)


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish_completes_with_the_script(script: Path, path_with_command: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("this machine has no fish")
    words = ["fish", "--no-config", "-c", 'source $argv[1]; complete -C "cloison plan --exter"', str(script)]
    said = subprocess.run(
        words, env={**path_with_command, "HOME": str(tmp_path)}, check=True, capture_output=True, text=True
    ).stdout

    assert ["--external"] == [line.split("\t")[0] for line in said.splitlines()]


def test_another_shell_is_a_usage_error() -> None:
    result = CliRunner().invoke(cloison, ["completion", "tcsh"])

    assert 2 == result.exit_code
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in result.output
