"""Docker Compose's command: resolves the file, starts and stops the project.

Input: Compose's own global options. Output: the resolved document, or a project that runs or is removed.
Rule: Compose reads the file itself, with its own options and variables (`-f`, `-p`, `--profile`, `--env-file`,
COMPOSE_FILE, `.env`).
Source: https://docs.docker.com/reference/cli/docker/compose/
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloison.errors import FileError, NotProven, UsageError
from cloison.linux.subprocesses import CommandResult, run, run_attached, run_in_session

PLUGIN: Final = ("docker", "compose")
STANDALONE: Final = ("docker-compose",)
PROJECT_VARIABLES: Final = ("COMPOSE_PROFILES", "COMPOSE_REMOVE_ORPHANS", "DOCKER_DEFAULT_PLATFORM")
"""Variables that configure the user's own project and its images."""
UP_TIMEOUT: Final = 300
"""Seconds to start the networks and idle containers of a rehearsal."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The global options of Compose that select a project."""

    files: tuple[str, ...] = ()
    project: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options as arguments of Compose."""
        given = (("--file", self.files), ("--profile", self.profiles), ("--env-file", self.env_files))
        options = [word for flag, values in given for value in values for word in (flag, value)]
        return [*options, "--project-name", self.project] if self.project else options


def resolved(selection: Selection) -> Mapping[str, Any]:
    """Return the document of `docker compose config`.

    Raises FileError with Compose's error when the file is missing or invalid, NotProven when Compose is not installed.
    """
    result = run([*PLUGIN, *selection.options, "config", "--format", "json"])
    if result.code != 0 and (program := _program()) != PLUGIN:
        result = run([*program, *selection.options, "config", "--format", "json"])
    if result.code != 0:
        raise FileError(f"the Compose file cannot be resolved: {result.last_line}")
    try:
        document: Mapping[str, Any] = json.loads(result.out)
    except RecursionError as error:
        raise FileError("the Compose file cannot be resolved: it is nested too deeply to be read") from error
    return document


def up(selection: Selection, arguments: tuple[str, ...]) -> None:
    """Start the project and wait until it is healthy.

    Raises NotProven when Compose exits with an error.
    """
    code = run_attached([*_program(), *selection.options, "up", "--detach", "--wait", *arguments])
    if code != 0:
        raise NotProven(
            f"`docker compose up` ended with exit code {code}; see its output above. "
            "`docker compose logs` shows the output of the services"
        )


def start(name: str, document: Mapping[str, Any], *, inherit_fd: int) -> CommandResult:
    """Start a document as the project `name`, without the variables and files of the user's own project.

    Compose builds and pulls nothing, and inherits the descriptor `inherit_fd`.
    """
    options = ("--project-name", name, "--env-file", os.devnull, "--file", "-")
    words = ("up", "--detach", "--no-build", "--pull", "never", "--quiet-pull")
    env = {key: value for key, value in os.environ.items() if key not in PROJECT_VARIABLES}
    return run_in_session(
        [*_program(), *options, *words], json.dumps(document), inherit_fd=inherit_fd, seconds=UP_TIMEOUT, env=env
    )


def down(selection: Selection, arguments: tuple[str, ...]) -> None:
    """Stop the project and remove its containers and networks; volumes stay unless `arguments` remove them.

    Raises UsageError when Compose exits with an error.
    """
    code = run_attached([*_program(), *selection.options, "down", *arguments])
    if code != 0:
        raise UsageError(f"`docker compose down` ended with exit code {code}; see its output above")


def _program() -> tuple[str, ...]:
    """Return the command of Compose v2: the plugin's, else the stand-alone program's.

    Raises NotProven when neither is installed. The check is as slow as a command, so callers make it only when needed.
    """
    for words in (PLUGIN, STANDALONE):
        if run([*words, "version"]).code == 0:
            return words
    raise NotProven("Docker Compose v2 is not installed; see https://docs.docker.com/compose/install/linux/")
