"""Installs and removes the plugin's files: its program in `cli-plugins`, and its hook in docker's config.json.

Input: the folder of docker's configuration, and the Python that is to run. Output: the paths that were changed.
Rules:
  - A file appears whole or not at all (rename(2)), with the mode and the owner of the file that it replaces.
  - Only a file that this module has written is replaced or removed; its second line says so.
The program is a script and not a link to `cloison`: docker tells a plugin by its arguments what it asks, and the link
would have to guess from its own name that it is one. The script also keeps working when the virtual environment of the
command is not in PATH, as with sudo.
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cloison.errors import UsageError
from cloison.plugin import hook_setting

FOLDER: Final = "cli-plugins"
PROGRAM: Final = "docker-cloison"
CONFIG: Final = "config.json"
MARK: Final = "# Written by `cloison plugin install`; `cloison plugin remove` removes it."
# -P: Python would put the working directory into its module path, and a project's folder may have a `docker` in it.
SCRIPT: Final = '#!/bin/sh\n{mark}\nexec {python} -P -m cloison.docker_plugin "$@"\n'
PROGRAM_MODE: Final = 0o755
CONFIG_MODE: Final = 0o600
"""docker's own: config.json may hold passwords."""
INDENT: Final = "\t"
"""docker's own."""


def configuration_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of docker's configuration.

    Source: https://docs.docker.com/reference/cli/docker/#environment-variables
    Raises UsageError for a user without a home directory.
    """
    if named := environment.get("DOCKER_CONFIG"):
        return Path(named)
    try:
        return Path.home() / ".docker"
    except RuntimeError as error:
        raise UsageError("this user has no home directory; set DOCKER_CONFIG to docker's folder") from error


def install(folder: Path, python: str, *, hook: bool) -> list[Path]:
    """Write the plugin's program and, with `hook`, its setting; return the files that were written.

    Raises UsageError if another program has the name, config.json is not docker's, or a file cannot be written.
    """
    program = folder / FOLDER / PROGRAM
    if os.path.lexists(program) and not _is_own(program):
        raise UsageError(
            f"{program} exists and was not written by `cloison plugin install`; remove it or move it away first"
        )
    config = folder / CONFIG
    document = hook_setting.with_hook(_document(config)) if hook else {}
    _write(program, SCRIPT.format(mark=MARK, python=shlex.quote(python)), PROGRAM_MODE)
    if not hook:
        return [program]
    _write(config.resolve(), _text(document), CONFIG_MODE)
    return [program, config]


def remove(folder: Path) -> list[Path]:
    """Remove the program and the setting; return the files that were changed, none if nothing was installed.

    Raises UsageError if the program is another one, config.json is not docker's, or a file cannot be written.
    """
    program = folder / FOLDER / PROGRAM
    if os.path.lexists(program) and not _is_own(program):
        raise UsageError(f"{program} was not written by `cloison plugin install`, so it stays")
    config = folder / CONFIG
    document = _document(config)
    left = hook_setting.without_hook(document)
    changed = []
    if left != document:
        _write(config.resolve(), _text(left), CONFIG_MODE) if left else _remove(config)
        changed.append(config)
    if os.path.lexists(program):
        _remove(program)
        changed.append(program)
        with suppress(OSError):  # other plugins are in it
            program.parent.rmdir()
    return changed


def _is_own(program: Path) -> bool:
    try:
        return MARK in program.read_text(encoding="utf-8", errors="replace").splitlines()[1:2]
    except OSError:
        return False


def _document(config: Path) -> dict[str, Any]:
    """Return the document of config.json, an empty one without the file."""
    try:
        document = json.loads(config.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{config} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{config} is not JSON, so nothing was changed: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{config} is not a JSON object, so nothing was changed")
    return document


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=INDENT, ensure_ascii=False)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise UsageError(f"{path} could not be removed: {error.strerror}") from error


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file by a rename; an existing one keeps its mode and, where this user may give it, its owner."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.stat() if path.exists() else None
        file = Path(_temporary(path, text))
        try:
            file.chmod(old.st_mode & 0o7777 if old else mode)
            if old:
                with suppress(PermissionError):
                    os.chown(file, old.st_uid, old.st_gid)
            file.replace(path)
        except OSError:
            file.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} could not be written: {error.strerror}") from error


def _temporary(path: Path, text: str) -> str:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(text)
    return file.name
