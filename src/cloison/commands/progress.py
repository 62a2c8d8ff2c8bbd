"""Shows on stderr what a verb is doing, if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def status(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show a status line on stderr during the block, if stderr is a terminal; yield the function that sets its text."""
    if quiet or not is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console  # the import takes 100 ms, and only a terminal needs it

    with Console(stderr=True).status("starting") as line:
        yield line.update


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is open and a terminal."""
    return stream is not None and stream.isatty()
