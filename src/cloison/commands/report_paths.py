"""Where the reports of a verb go: to stdout, to a file, or into a directory.

Rule: options that contradict each other are an error before any other work, so this module imports nothing slow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cloison.errors import UsageError
from cloison.reports import SUFFIXES

TERMINAL: Final = "terminal"


def report_paths(formats: tuple[str, ...], output: Path | None, stem: str = "proof") -> dict[str, Path | None]:
    """Return the path of each report, None for stdout; `stem` is the name of files in a directory.

    Raises UsageError when two reports would have the same path. To be called before any other work.
    """
    others = [name for name in formats if name != TERMINAL]
    if output is None:
        if len(formats) > 1:
            raise UsageError(f"{len(formats)} reports cannot share stdout; say with --output where {others[0]} goes")
        return dict.fromkeys(formats)
    if not others:
        raise UsageError(
            "--output is for other reports than the terminal's, which goes to stdout. Add --format json or html"
        )
    if len(others) > 1 and output.is_file():
        raise UsageError(f"{output}: it is a file, and {len(others)} reports need a directory")
    folder = output if len(others) > 1 or output.is_dir() else output.parent
    if len(others) == 1 and not folder.is_dir():
        raise UsageError(f"{output}: there is no directory {folder}")
    single = len(others) == 1 and not output.is_dir()
    return {
        name: None if name == TERMINAL else output if single else output / f"{stem}{SUFFIXES[name]}" for name in formats
    }
