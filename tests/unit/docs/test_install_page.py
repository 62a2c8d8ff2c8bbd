"""The page about installing names verbs, options, files and variables that exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from cloison.cli import cloison
from cloison.linux.netns import CAPABILITIES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/install.md").read_text()
COMMANDS = sorted(
    {
        line.partition("#")[0].partition(">")[0].strip()
        for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line.startswith("cloison ")
    }
)
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_can_be_parsed(line: str) -> None:
    words = shlex.split(line)[1:]
    context = click.Context(cloison, info_name="cloison")
    command: click.Command | None = cloison
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    assert command
    command.make_context(line, words)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 6


def test_the_files_of_a_build_have_the_version_of_the_project() -> None:
    assert {VERSION} == {*re.findall(r"`(?:dist/)?cloison-(\d+\.\d+\.\d+)[.-]", PAGE)}


def test_the_page_names_the_capabilities_of_the_agent() -> None:
    assert all(f"`{name}`" in PAGE for name in CAPABILITIES)


def test_the_scripts_and_variables_of_the_page_exist() -> None:
    scripts = {*re.findall(r"`(setup/[a-z.-]+\.sh)", PAGE)}
    sources = "".join(path.read_text() for path in (ROOT / "setup").glob("*.sh"))

    assert [] == [name for name in scripts if not (ROOT / name).is_file()]
    assert [] == [name for name in re.findall(r"CLOISON_[A-Z_]+", PAGE) if name not in sources]
    assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in ("dist", "image"))
