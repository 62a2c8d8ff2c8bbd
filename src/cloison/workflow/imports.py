"""Imports modules while the command waits for something else: for Compose, or for the replies of probes.

Rule: an import changes no result; it is done here only so that nobody waits for it later. One that fails fails again,
with its error, where the module is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from threading import Thread
from typing import Any, Final

from cloison.engine import compose_cli

LATE: Final[list[str]] = []
"""Modules that this command needs after its probes; see `import_late`."""


def resolved(selection: compose_cli.Selection, *modules: str) -> Mapping[str, Any]:
    """Return the document of a selection; `modules` are imported while Compose resolves it.

    Raises a CloisonError if it cannot be resolved: see `compose_cli.resolved`.
    """
    imports = Thread(target=_import, args=(modules,), daemon=True)
    imports.start()
    try:
        return compose_cli.resolved(selection)  # in this thread, because a signal interrupts no other one
    finally:
        imports.join()


def import_late() -> None:
    """Import the modules of `LATE` in another thread, and return at once."""
    Thread(target=_import, args=(tuple(LATE),), daemon=True).start()


def _import(modules: Iterable[str]) -> None:
    for module in modules:
        with suppress(Exception):
            import_module(module)
