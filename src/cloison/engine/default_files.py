"""The files that Docker Compose reads where none is named with `--file`.

Input: a folder, environment files, and a function that asks Compose for its variables. Output: paths.
Rule: COMPOSE_FILE names them, in the environment or in the `.env` of the folder; else they have a usual name. Only
Compose says what an environment file sets, because it interpolates there, too.
Source: https://docs.docker.com/compose/how-tos/environment-variables/envvars/
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

DEFAULT_FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_FILES: Final = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""Names in the order in which Compose looks for them, in the working directory and in its parents: DefaultFileNames
and DefaultOverrideFileNames of https://github.com/compose-spec/compose-go/blob/main/cli/options.go"""
COMPOSE_FILE: Final = "COMPOSE_FILE"
SEPARATOR: Final = "COMPOSE_PATH_SEPARATOR"
ENV_FILES: Final = "COMPOSE_ENV_FILES"
"""The variable with the environment files, between commas, where `--env-file` names none."""


def default_files(
    directory: str, env_files: tuple[str, ...], environment: Callable[[str, tuple[str, ...]], str]
) -> tuple[str, ...]:
    """Return the files that Compose reads in a folder, empty if there are none; `directory` is empty for this one."""
    here = Path(directory or Path.cwd()).absolute()
    if os.environ.get(COMPOSE_FILE):
        return _named(os.environ)
    if _is_set_in(env_files or tuple(filter(None, os.environ.get(ENV_FILES, "").split(","))) or (here / ".env",)):
        known = dict(line.partition("=")[::2] for line in environment(str(here), env_files).splitlines())
        if not known or known.get(
            COMPOSE_FILE
        ):  # without an answer it is unknown, and no file is better than a wrong one
            return _named(known) if known else ()
    return next(_usual(here), ())


def _named(variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(variables[COMPOSE_FILE].split(variables.get(SEPARATOR) or os.pathsep))


def _is_set_in(env_files: tuple[str | Path, ...]) -> bool:
    """Whether one of the files could set COMPOSE_FILE: Compose is asked only then."""
    for file in env_files:
        try:
            if COMPOSE_FILE in Path(file).read_text(encoding="utf-8", errors="replace"):
                return True
        except OSError:
            continue
    return False


def _usual(here: Path) -> Iterator[tuple[str, ...]]:
    """Yield the files of a usual name in a folder, then those in its parents."""
    for folder in (here, *here.parents):
        if found := [folder / name for name in DEFAULT_FILES if (folder / name).is_file()][:1]:
            found += [folder / name for name in OVERRIDE_FILES if (folder / name).is_file()][:1]
            yield tuple(map(str, found))
