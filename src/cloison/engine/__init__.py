"""What an engine must tell, and the engines that can.

Rule: an engine is a module with these verbs. Adding one is a module and a row of `ENGINES`.
"""

from __future__ import annotations

from typing import Protocol

from cloison.model.facts import Container, Facts


class Engine(Protocol):
    """A connection to one engine on this machine."""

    def facts(self, project: str, networks: frozenset[str]) -> Facts:
        """Return the engine's facts, the project's containers and everyone on `networks`.

        Containers of the project are listed whether they run or not, strangers only if they run.
        Raises NotProven when the engine does not answer.
        """
        ...

    def containers(self, project: str, networks: frozenset[str]) -> tuple[Container, ...]:
        """Return the same containers again, to see whether anything changed meanwhile."""
        ...
