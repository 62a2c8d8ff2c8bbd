"""Which verbs run on which operating systems.

Rule: `plan` and `report` run wherever Python does. A verb that asks an engine needs the sockets and locks of Unix; on
macOS its proofs are made by the agent, on the engine's machine.
"""

from __future__ import annotations

import sys

from cloison.errors import NotProven


def check(verb: str) -> None:
    """Raise NotProven on Windows; to be called before the verb imports anything else."""
    if sys.platform == "win32":
        raise NotProven(
            f"`cloison {verb}` does not run on Windows itself: run it in WSL, with the engine of Docker Desktop or "
            "its own; `cloison plan` and `cloison report` run here"
        )
