"""Docker Compose's command: resolves the file, starts and stops the project.

Input: Compose's own global options. Output: the resolved document, or a project that runs or is removed.
Rule: Compose reads the file itself, with its own options and variables (`-f`, `-p`, `--profile`, `--env-file`,
COMPOSE_FILE, `.env`).
Source: https://docs.docker.com/reference/cli/docker/compose/
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from cloison.compose.normalize import normalized
from cloison.engine import compose_messages, default_files
from cloison.errors import FileError, NotProven, UsageError, printable
from cloison.linux.subprocesses import CommandResult, run, run_attached, run_in_session, running
from cloison.model.text import listed

PLUGIN: Final = ("docker", "compose")
STANDALONE: Final = ("docker-compose",)
PROGRAMS: Final = (PLUGIN, STANDALONE)
CONFIG: Final = ("config", "--format", "json")
STDIN: Final = "-"
"""The name of stdin among the files."""
ANY_PROJECT: Final = "services: {any: {image: any}}"
EVERY_PROFILE: Final = "*"
"""https://docs.docker.com/compose/how-tos/profiles/"""
RESETS: Final = ("env_file: !reset []", "env_file: !reset [], build: {ssh: !reset []}")
"""Members of a service, in YAML, that an override removes: https://docs.docker.com/reference/compose-file/merge/"""
MOST_PROFILES: Final = 5
"""The most profiles that an error names."""
NO_FILE: Final = ". Go to its folder, name it with --file, or name a project that runs with --project-name"
"""What to do where no Compose file is found."""
NOT_COMPOSE: Final = "Check that `docker compose` is Docker Compose v2"
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
    directory: str = ""

    @property
    def options(self) -> list[str]:
        """The options as arguments of Compose."""
        given = (
            ("--file", self.files),
            ("--profile", self.profiles),
            ("--env-file", self.env_files),
            ("--project-name", (self.project,) if self.project else ()),
            ("--project-directory", (self.directory,) if self.directory else ()),
        )
        return [word for flag, values in given for value in values for word in (flag, value)]

    @property
    def stdin(self) -> str | None:
        """The Compose file on stdin, where one of the files is `-`; None without one."""
        return stdin_text() if STDIN in self.files else None


_AHEAD: Final[dict[tuple[str, ...], Callable[[], CommandResult]]] = {}
"""The resolutions that were started ahead, by their words."""


@cache
def stdin_text() -> str:
    """Return the text of stdin, which can be read once.

    Raises UsageError when it is closed.
    """
    if sys.stdin is None:
        raise UsageError("stdin is closed, and --file - reads the Compose file from it")
    return sys.stdin.read()


@contextmanager
def started_ahead(selection: Selection, *secrets: str) -> Iterator[None]:
    """Start Compose's resolution of a selection, whose result `resolved` then takes during the block.

    Compose takes as long as a verb's imports, and with two processors both are done at once. A selection that has to
    be located, or that reads stdin, is not started ahead. Compose does not inherit the variables `secrets`.
    """
    if selection.stdin is not None or (selection.project and not selection.files):
        yield
        return
    words = (*PLUGIN, *selection.options, *CONFIG)
    env = {name: value for name, value in os.environ.items() if name not in secrets}
    with running(words, env=env) as result:
        _AHEAD[words] = result
        try:
            yield
        finally:
            _AHEAD.pop(words, None)


def resolved(selection: Selection, *, strict: bool = False) -> Mapping[str, Any]:
    """Return the document of `docker compose config`, and print its warnings on stderr.

    Environment files that do not exist, and `build.ssh`, which some versions of Compose cannot print, change no
    network, so the file is resolved without them; with `strict` they are an error.
    Raises FileError with Compose's error when the file is missing or invalid, NotProven when Compose is not installed
    or does not print a document.
    """
    selection = located(selection)
    program, result = _config(PLUGIN, selection)
    if result.code != 0 and (other := _program()) != PLUGIN:
        program, result = _config(other, selection)
    why = compose_messages.reason(result.err or result.out) or f"exit code {result.code}"
    if result.code != 0 and not strict and (lenient := _config_without_environment(program, selection)):
        result = lenient
        _warn(f"resolved without the environment files and without build.ssh, which change no network: {why}")
    for warning in compose_messages.warnings(result.err):
        _warn(warning)
    if result.code != 0:
        raise FileError(f"the Compose file cannot be resolved: {why}{'' if source_files(selection) else NO_FILE}")
    document, left_out = normalized(_document(result))
    for sentence in left_out:
        _warn(sentence)
    if stopped := [name for name, body in (document.get("services") or {}).items() if _has_no_replicas(body)]:
        _warn(f"not judged, because the file has no replicas of it: {listed(sorted(stopped), MOST_PROFILES)}")
    if not document.get("services") and (inactive := profiles(selection)):
        raise NotProven(_inactive(inactive))
    return document


def _has_no_replicas(body: Mapping[str, Any]) -> bool:
    return 0 in (body.get("scale"), (body.get("deploy") or {}).get("replicas"))


def located(selection: Selection) -> Selection:
    """Return the selection with the files of a running project, where it has a name alone and no file is found here.

    Raises NotProven when no such project runs.
    """
    if not selection.project or source_files(selection):
        return selection
    from cloison.engine import running_projects  # noqa: PLC0415  # it imports this module

    return running_projects.project_named(selection.project, selection.profiles)


def _inactive(services: Mapping[str, Collection[str]]) -> str:
    names = sorted({name for known in services.values() for name in known})
    return (
        f"every service has a profile ({listed(names, MOST_PROFILES)}) and none of them is active: use "
        f"--profile {names[0]}, --profile '*' or COMPOSE_PROFILES"
    )


def profiles(selection: Selection) -> dict[str, tuple[str, ...]]:
    """Return the profiles of each service that has some, whether they are active or not; empty where Compose fails."""
    result = _config(PLUGIN, replace(selection, profiles=(EVERY_PROFILE,)))[1]
    services = (_document(result).get("services") or {}) if result.code == 0 else {}
    return {name: tuple(body["profiles"]) for name, body in services.items() if body.get("profiles")}


def _config(program: tuple[str, ...], selection: Selection) -> tuple[tuple[str, ...], CommandResult]:
    words = (*program, *selection.options, *CONFIG)
    ahead = _AHEAD.pop(words, None)
    return program, ahead() if ahead else run(words, text=selection.stdin)


def _config_without_environment(program: tuple[str, ...], selection: Selection) -> CommandResult | None:
    """Return the result without what changes no network, None if that does not help either.

    An override resets it in every service. A file after `--file` switches off Compose's own search, so the files that
    it would find are named before it.
    """
    listed = run([*program, *selection.options, "config", "--services"], text=selection.stdin)
    files = source_files(selection)
    if listed.code != 0 or not files:
        return None
    with tempfile.TemporaryDirectory(prefix="cloison-") as folder:
        for resets in RESETS:
            override = Path(folder, "override.yaml")
            lines = (f"  {json.dumps(name)}: {{{resets}}}\n" for name in listed.out.split())
            override.write_text("services:\n" + "".join(lines), encoding="utf-8")
            result = _config(program, replace(selection, files=(*files, str(override))))[1]
            if result.code == 0:
                return result
    return None


def source_files(selection: Selection) -> tuple[str, ...]:
    """Return the files that Compose reads for a selection, without those that they include; empty if there are none."""
    return selection.files or default_files.default_files(selection.directory, selection.env_files, _environment)


def _environment(directory: str, env_files: tuple[str, ...]) -> str:
    """Return the variables that Compose has in a folder as lines `NAME=VALUE`, empty if it does not tell.

    Compose is given a file that it can always read, because its answer is needed where it cannot read the project's.
    """
    selection = Selection((STDIN,), env_files=env_files, directory=directory)
    results = (run([*words, *selection.options, "config", "--environment"], text=ANY_PROJECT) for words in PROGRAMS)
    return next((result.out for result in results if result.code == 0), "")


def _document(result: CommandResult) -> Mapping[str, Any]:
    try:
        document = json.loads(result.out)
    except RecursionError as error:
        raise FileError("the Compose file cannot be resolved: it is nested too deeply to be read") from error
    except ValueError as error:
        raise NotProven(f"`docker compose config` printed no JSON: {error}. {NOT_COMPOSE}") from error
    if not isinstance(document, dict):
        raise NotProven(f"`docker compose config` printed no JSON object. {NOT_COMPOSE}")
    return document


@cache
def _warn(sentence: str) -> None:
    """Print a warning on stderr, once a process: a verb may resolve the file several times."""
    print(f"cloison: warning: {printable(sentence)}", file=sys.stderr)  # noqa: T201  # a message for the user


def up(selection: Selection, arguments: tuple[str, ...]) -> None:
    """Start the project and wait until it is healthy.

    Raises NotProven when Compose exits with an error.
    """
    _up(selection, ("--detach", "--wait"), arguments)


def create(selection: Selection, arguments: tuple[str, ...]) -> None:
    """Make the networks and the containers of the project, and start none; running ones go on.

    Raises NotProven when Compose exits with an error.
    """
    _up(selection, ("--no-start",), arguments)


def _up(selection: Selection, how: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    code = run_attached([*_program(), *selection.options, "up", *how, *arguments], selection.stdin)
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
    code = run_attached([*_program(), *selection.options, "down", *arguments], selection.stdin)
    if code != 0:
        raise UsageError(f"`docker compose down` ended with exit code {code}; see its output above")


def _program() -> tuple[str, ...]:
    """Return the command of Compose v2: the plugin's, else the stand-alone program's.

    Raises NotProven when neither is installed. The check is as slow as a command, so callers make it only when needed.
    """
    for words in PROGRAMS:
        if run([*words, "version"]).code == 0:
            return words
    raise NotProven("Docker Compose v2 is not installed; see https://docs.docker.com/compose/install/linux/")
