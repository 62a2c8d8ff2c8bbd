"""Reads the Compose files of a selection, so that a report can name lines in them.

Input: the options that select a project. Output: `Positions`.
Rule: names are relative to the repository that holds the files, as code scanning expects them; a file that cannot be
read has no positions, because the report is worth more than its lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloison.compose.positions import Positions, read_positions
from cloison.engine.compose_cli import Selection, source_files


def positions(selection: Selection) -> Positions:
    """Return the positions of the keys in the files that Compose reads for a selection."""
    return read_positions(_texts(source_files(selection)))


def _texts(files: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    base = _repository(Path.cwd())
    for file in files:
        path = Path.cwd() / file
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            continue
        yield (path.relative_to(base) if path.is_relative_to(base) else path).as_posix(), text


def _repository(folder: Path) -> Path:
    """Return the root of the git repository around a folder, or the folder itself."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)
