"""The manual page has everything that the help has, and its markup is valid."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.e2e.distribution.builds import Distribution

from cloison.cli import VERBS, cloison

CHECKERS = {"groff": ("-man", "-ww", "-z"), "mandoc": ("-T", "lint", "-W", "warning")}


@pytest.fixture
def page(distribution: Distribution, tmp_path: Path) -> Path:
    """The page of the source distribution."""
    with tarfile.open(distribution.sdist) as tar:
        (member,) = (member for member in tar.getmembers() if member.name.endswith("/man/cloison.1"))
        file = tar.extractfile(member)
        assert file
        path = tmp_path / "cloison.1"
        path.write_bytes(file.read())
    return path


def commands(context: click.Context) -> Iterator[click.Context]:
    """Yield the contexts of a command and of those below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command
            yield from commands(click.Context(command, parent=context, info_name=name))


def section(text: str, heading: str) -> str:
    """Return the text below a heading, up to the next one."""
    return re.split(r"^\.S[HS] ", text[text.index(heading) + len(heading) :], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_page_names_every_verb_and_every_option_in_its_section(page: Path) -> None:
    text = page.read_text().replace("\\-", "-")
    for context in commands(click.Context(cloison, info_name="cloison", **cloison.context_settings)):
        heading = f'.SS "{context.command_path}"\n' if context.parent else ".SH OPTIONS\n"
        own = section(text, heading)
        for parameter in context.command.get_params(context):
            if isinstance(parameter, click.Option):
                assert set() == {name for name in parameter.opts if name not in own}, context.command_path
    assert all(f'.SS "cloison {verb}"\n' in text for verb in VERBS)


def test_the_page_has_the_usual_sections_and_the_exit_codes(page: Path) -> None:
    text = page.read_text()

    assert [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT"),
        *("REPORTING BUGS", "SEE ALSO"),
    ] == re.findall(r"^\.SH (.+)$", text, re.MULTILINE)
    assert "143 terminated" in section(text, ".SH EXIT STATUS")
    assert text.isascii()


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_markup_is_valid(page: Path, checker: str) -> None:
    if not shutil.which(checker):
        pytest.skip(f"this machine has no {checker}")
    done = subprocess.run([checker, *CHECKERS[checker], page], check=False, capture_output=True, text=True)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
