"""The request for a proof: the selection of a project, and how long to wait for replies.

Rule: this module imports nothing that is slow, because the command line reads its defaults from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloison.engine.compose_cli import Selection

DEFAULT_TIMEOUT: Final = 0.5
"""Seconds to wait for a reply before a probe counts as unanswered: half of it after each of two SYNs.

The kernel of the same machine answers within microseconds, without help of a process. While answers are still coming,
the prober waits longer.
"""


DEADLINE_SECONDS: Final = 30.0
"""Seconds that a proof may take, without its waits and its flows."""
WAITS: Final = 10
"""How often a proof waits for replies at most: two rounds, and their repetitions after full neighbor tables."""
FLOWS_PER_SECOND: Final = 250
"""Flows that a busy machine probes in a second; an idle one probes ten thousand."""


def default_deadline(flows: int, timeout: float) -> float:
    """Return the seconds after which the proof of a number of flows ends, whatever is still open."""
    return float(round(DEADLINE_SECONDS + WAITS * timeout + flows / FLOWS_PER_SECOND))


@dataclass(frozen=True, slots=True)
class PolicySource:
    """Where the policy comes from: the Compose files, or a `file` of its own; if it `is_required`, none is an error."""

    file: Path | None = None
    is_required: bool = False


IN_THE_COMPOSE_FILES: Final = PolicySource()


@dataclass(frozen=True, slots=True)
class Request:
    """The project to prove, the seconds to wait for replies, and those for the whole proof (0: `default_deadline`)."""

    selection: Selection
    timeout: float = DEFAULT_TIMEOUT
    deadline: float = 0
    policy_source: PolicySource = IN_THE_COMPOSE_FILES
