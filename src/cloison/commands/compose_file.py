"""Puts a drafted policy into the Compose file of a selection.

Rule: the file is replaced by a rename, so a reader at any moment finds a whole file; a symbolic link stays one, and
the file keeps its mode and its owner.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cloison.compose import file_text
from cloison.engine.compose_cli import STDIN, Selection, source_files
from cloison.errors import FileError, UsageError


def first_file(selection: Selection) -> Path:
    """Return the first Compose file of a selection, where its policy belongs.

    Raises UsageError when there is none that could be written.
    """
    files = source_files(selection)
    if not files:
        raise UsageError("no Compose file was found here to write the policy into; name it with --file")
    if files[0] == STDIN:
        raise UsageError(
            "the Compose file comes from stdin, so the policy cannot be written into it; leave out --write"
        )
    return Path(files[0])


def check_writable(path: Path, *, has_policy: bool, force: bool) -> None:
    """Raise UsageError unless a policy may be written into a file; `has_policy` is about the resolved project."""
    is_here = file_text.has_policy(text_of(path), str(path))
    if is_here and not force:
        raise UsageError(f"{path}: the file has a policy already; --force replaces it")
    if has_policy and not is_here:
        raise UsageError(
            f"{path}: the project has a policy already, in another of its Compose files; remove it there first"
        )


def write_policy(path: Path, block: str, *, force: bool) -> None:
    """Write a policy into a Compose file.

    Raises UsageError and FileError: see `file_text.with_policy`.
    """
    replace_text(path, file_text.with_policy(text_of(path), block, str(path), replaces=force))


def replace_text(path: Path, text: str) -> None:
    """Replace the text of a Compose file.

    Raises UsageError where it cannot be written.
    """
    target = path.resolve()
    try:
        held = target.stat()
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            try:
                file.write(text.encode())
                os.fchmod(file.fileno(), held.st_mode & 0o7777)
                with suppress(PermissionError):  # only root gives files to another user
                    os.fchown(file.fileno(), held.st_uid, held.st_gid)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{path}: the policy could not be written: {error.strerror}") from error


def text_of(path: Path) -> str:
    """Return the text of a Compose file.

    Raises FileError for one that cannot be read, and one that is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise FileError(f"{path}: the Compose file could not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: the Compose file is not UTF-8; convert it, or leave out --write") from error
